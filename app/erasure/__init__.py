"""What a customer may ask for: that this store forgets who they are, and keeps what the law wants kept."""

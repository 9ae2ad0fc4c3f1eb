"""What all pages share; knows nothing of payments."""

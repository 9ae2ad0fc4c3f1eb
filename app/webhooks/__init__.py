"""What PortOne told us, kept before it is acted upon."""

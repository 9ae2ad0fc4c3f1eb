"""Taking money once, now, from a billing key."""

"""Who did what to which thing, and what changed."""

"""One file that holds the whole database, read back before it counts, and a new database made of it."""

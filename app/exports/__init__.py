"""Every list as a file: written by a worker, kept for some days, fetched by who asked for it."""

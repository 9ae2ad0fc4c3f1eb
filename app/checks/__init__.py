"""The questions an operator would ask the database by hand, on one page."""

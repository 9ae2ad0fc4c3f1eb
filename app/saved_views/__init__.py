"""Filters of a list kept under a name, by a person for themselves or for all."""

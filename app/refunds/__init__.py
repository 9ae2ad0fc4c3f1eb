"""Giving money back, once."""

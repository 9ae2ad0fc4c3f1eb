"""Tokens to charge again, as PortOne keeps them."""

"""Portico's tests: one folder a domain, and the journeys that cross them."""

import sys

# Pytest keeps the assertions it has rewritten as bytecode. Where none may be written, as containers have it
# (PYTHONDONTWRITEBYTECODE), every worker would rewrite them all in every run: five seconds each.
sys.dont_write_bytecode = False

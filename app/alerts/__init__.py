"""Tell people outside when webhooks fail, wait or stay away."""

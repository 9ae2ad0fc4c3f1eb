"""Users: customers, and the admins who sign in."""

"""The JSON API of the store's own servers: initialize, verify, confirm, cancel."""

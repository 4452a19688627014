"""Networks, built from their configuration and stored with it."""

"""Clients: what reads the tables and what publishes feedback."""

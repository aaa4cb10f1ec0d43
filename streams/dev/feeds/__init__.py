"""Feeds: simulated events with scripted incidents."""

"""Feeds: files, simulated events with scripted incidents."""

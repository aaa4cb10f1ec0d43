"""Servers, feeds and runs for development, demonstrations and benchmarks."""

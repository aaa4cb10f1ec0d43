"""Simulated market-weeks with labelled texts: how often the intervals cover, how wide they are, and rivals'."""

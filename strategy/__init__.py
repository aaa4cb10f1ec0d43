"""Arrays in, allocation out: what a market is worth, what it costs, and where the budget does most good."""

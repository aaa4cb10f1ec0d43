"""The live page: a process of its own that reads through `marketpulse.client` only."""

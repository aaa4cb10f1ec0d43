"""The live page: a process of its own that reads through `streams.reader` only."""

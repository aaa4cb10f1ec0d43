"""Why money moved, in plain words: what changed, which part of the move is whose, one sentence per market."""

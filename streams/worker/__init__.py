"""The worker process: what drives it and what its agents share."""

"""Where counts are kept: Redis, its keys and the scripts that change it."""

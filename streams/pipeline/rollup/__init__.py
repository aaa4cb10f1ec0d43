"""Stage 5: once a second, what was counted to metrics, alerts and the journal."""

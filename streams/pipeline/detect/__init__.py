"""Stage 4: counts to alerts and shifts; pure."""

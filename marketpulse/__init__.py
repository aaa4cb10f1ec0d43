"""The public face of Marketpulse: what other services import."""

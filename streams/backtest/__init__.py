"""Rules tried on synthetic input and on the past."""

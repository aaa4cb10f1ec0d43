"""Rules tried on made-up input and on the past."""

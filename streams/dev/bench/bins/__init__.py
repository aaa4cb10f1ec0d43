"""How much sooner surges would be found by P(negative) in bins than by hard labels, with real answers."""

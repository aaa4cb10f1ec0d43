"""Stage 6: a shift to an allocation of the budget."""

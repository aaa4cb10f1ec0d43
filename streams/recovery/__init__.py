"""Recovery by an operator: the journal replayed, the ledger verified, rebuilt, reset. Workers import none of it."""

"""Stage 3: scored batches to counts in the ledger."""

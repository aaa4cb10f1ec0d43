"""Stage 2: decoded batches to scored batches."""

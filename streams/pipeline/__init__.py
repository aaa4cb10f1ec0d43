"""The data's way, stage by stage: ingest, classify, count, detect, rollup, reallocate."""

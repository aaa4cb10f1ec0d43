"""Types of the journal: internal, what the wire has is in `marketpulse.contract`."""

"""Own topics: a head for topics of the operator's on the state of a model's encoder."""

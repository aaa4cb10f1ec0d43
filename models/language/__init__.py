"""Languages of texts: tags as producers write them, what a text itself tells, and which of both holds."""

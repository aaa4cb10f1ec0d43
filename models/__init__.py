"""Text in, probabilities out: training, export and serving of the feedback classifier."""

"""What people say about single texts, as statistics: the draw, the true shares, the rater's error, evidence for EM."""

"""Who may do what in Kafka and Redis."""

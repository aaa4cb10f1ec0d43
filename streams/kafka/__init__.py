"""How Kafka is spoken to: connection, errors, topics, publishing, reading to the end."""

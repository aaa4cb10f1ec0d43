"""HTTP intake: events in, an answer once Kafka has them."""

"""A real Kafka and Redis as child processes, and workers beside them."""

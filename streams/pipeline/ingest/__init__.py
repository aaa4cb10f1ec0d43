"""Stage 1: records of Kafka to decoded batches."""

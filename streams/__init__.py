"""The edge (Kafka, Redis, Faust, command line) and the pure core that it drives."""

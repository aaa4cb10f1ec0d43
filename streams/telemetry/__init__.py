"""What is measured and logged: instruments, logs, progress, spans."""

"""What processes that answer HTTP share: sockets, probes, how they end."""

"""What crosses the network: transport (bytes), outbox (orders)."""

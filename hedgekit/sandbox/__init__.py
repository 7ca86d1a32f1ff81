"""hedgekit."""

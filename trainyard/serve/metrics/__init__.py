"""What the workers count, and how Prometheus is told."""

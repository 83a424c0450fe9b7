"""The HTTP API of the service, and what hands jobs to processes."""

"""A namespace of a Kubernetes cluster as a compute."""

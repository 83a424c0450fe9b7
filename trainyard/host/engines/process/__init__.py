"""Images as folders, containers as processes: for machines without docker and podman."""

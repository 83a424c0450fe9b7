"""Images and containers of docker or podman, by their command line."""

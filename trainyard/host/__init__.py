"""What only the host has: builds, engines, experiments, the verbs of make."""

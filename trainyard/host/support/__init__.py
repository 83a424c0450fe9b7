"""What every room of the host uses: programs, messages, locks, files."""

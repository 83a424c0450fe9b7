"""What the processes of a daemon have in common: memory, sockets, counters; and what they ask of the kernel."""

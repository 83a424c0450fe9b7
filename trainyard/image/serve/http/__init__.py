"""The network side of a worker: an event loop, connections, requests, the bytes of answers."""

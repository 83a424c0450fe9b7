"""How builds and verbs reach the network: indexes, proxies, certificates, HTTP."""

"""Training on request: a service takes jobs, and each is carried out by a process of its own."""

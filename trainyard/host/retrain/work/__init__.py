"""How a job is carried out: in a process of its own, step by step."""

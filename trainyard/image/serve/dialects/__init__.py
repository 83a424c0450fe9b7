"""How requests and answers are written: Trainyard's own JSON, and what other servers' clients speak."""

"""Several groups of models behind one port, each with an environment and processes of its own (GROUPS=auto)."""

"""The verbs of make, one module each: parse, call an operation, print."""

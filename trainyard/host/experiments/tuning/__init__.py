"""The search for parameters: what is searched, the study, the workers that try them."""

"""Runs in MLflow: which server, what is uploaded and when, in its own words."""

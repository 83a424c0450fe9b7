"""The daemon inside a predict image: routes of ``.s2i/environment`` as HTTP endpoints, Flask on gunicorn."""

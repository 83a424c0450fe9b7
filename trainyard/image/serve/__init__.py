"""The daemon inside a predict image: routes of ``.s2i/environment`` as HTTP endpoints.

The processes are gunicorn's, the event loop that answers predictions is ours, the pages are by Flask.
"""

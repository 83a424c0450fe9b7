"""Serves predict functions on this machine, for debugging."""

import importlib

from cortex import Message
from flask import Flask, jsonify, request


def assemble_server(routes, port=5111):
    """Routes as in .s2i/environment."""
    app = Flask(__name__)
    for route in routes.split(","):
        path, module, function = route.split(":")
        call = getattr(importlib.import_module(module), function)

        def answer(call=call):
            return jsonify(call(Message(request.get_json())))

        app.add_url_rule(f"/{path}", path, answer, methods=["POST"])
    app.run(port=port)

"""What is seen to before anything is started: settings, the machine, the listening socket.

Needs nothing but Python: where there are groups of models, the first process does not depend on their packages.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path

from trainyard.contract.environment import Environment
from trainyard.contract.routes import Route, is_merged
from trainyard.errors import TrainyardError
from trainyard.image.serve.dialects.vertex import check_vertex_routes
from trainyard.image.serve.http.access import check_access
from trainyard.image.serve.logs import FORMATS, LEVELS
from trainyard.image.user_code import MODEL_NAME_VARIABLES
from trainyard.settings.image import ImageSettings, root_path_of

BACKLOG = 2048
SHARED_MEMORY = "/dev/shm"  # noqa: S108 -- in memory, where a heartbeat does not wait for a disk
TEMPORARY = (SHARED_MEMORY, "/tmp", "/var/tmp", ".")  # noqa: S108 -- a file is made there under a name of its own


def open_listener(routes: tuple[Route, ...], settings: ImageSettings) -> socket.socket:
    """The socket to serve ``routes`` on, once everything is found to be as it must be.

    Raises:
        TrainyardError: a setting or the machine is not; the message names it.
    """
    check_settings(settings)
    check_vertex_routes(routes, settings)
    check_access(settings)
    heartbeat_folder()
    return listen(settings)


def heartbeat_folder() -> str:
    """Where a worker can have its heartbeat, which is the time of an empty file.

    Raises:
        TrainyardError: no folder takes one.
    """
    for folder in TEMPORARY:
        with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder):
            return folder
    raise TrainyardError(
        f"no file can be made in {', '.join(TEMPORARY)}: workers need one each",
        "mount a tmpfs at /dev/shm, or make one of these writable",
    )


def listen(settings: ImageSettings) -> socket.socket:
    """The listening socket. gunicorn retries for five seconds where the port is in use; this fails at once.

    Raises:
        TrainyardError: the address is in use, or cannot be bound.
    """
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.bind, settings.port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise TrainyardError(
            f"cannot listen on {settings.bind} port {settings.port}: {reason}", "choose another PORT (or BIND)"
        ) from None
    return listener


def check_settings(settings: ImageSettings) -> None:
    """Refuse what gunicorn would choke on.

    Raises:
        TrainyardError: naming the variable.
    """
    for variable, value, known in (
        ("LOG_LEVEL", settings.log_level, LEVELS),
        ("LOG_FORMAT", settings.log_format, FORMATS),
    ):
        if value not in known:
            raise TrainyardError(f"{variable}={value}: there is none such", f"say {' or '.join(known)}")
    if settings.threads < 1:
        raise TrainyardError(f"THREADS={settings.threads}: a worker without threads", "say THREADS=1 or more")
    root_path_of(settings.root_path)
    for variable, seconds in (
        ("HEAD_TIMEOUT", settings.head_timeout),
        ("BODY_TIMEOUT", settings.body_timeout),
        ("KEEP_ALIVE", settings.keep_alive),
    ):
        if seconds < 1:
            raise TrainyardError(f"{variable}={seconds}: no client is that quick", f"say {variable}=1 or more seconds")
    if 0 < settings.buffer_mb < settings.max_body_mb:
        raise TrainyardError(
            f"BUFFER_MB={settings.buffer_mb}: a body may have MAX_BODY_MB={settings.max_body_mb}",
            f"say BUFFER_MB={settings.max_body_mb} or more",
        )
    if settings.port > 65535:
        raise TrainyardError(f"PORT={settings.port}: there is no such port", "choose one below 65536")


def set_model_name(environment: Environment, settings: ImageSettings) -> str:
    """Make MODEL_NAME and its historical spelling agree; returns a warning, or "".

    In a merged image one MODEL_NAME would make every route serve that one binary, so it is taken away.
    """
    if is_merged(environment):
        given = [name for name in MODEL_NAME_VARIABLES if os.environ.pop(name, None)]
        return f"{' and '.join(given)} ignored: this image serves several models" if given else ""
    if settings.model_name:
        os.environ.update(dict.fromkeys(MODEL_NAME_VARIABLES, settings.model_name))
    return ""


def describe(routes: tuple[Route, ...], settings: ImageSettings, listener: socket.socket) -> str:
    """What is to be served, where, by how many, for the first line of the log."""
    host, port = listener.getsockname()[:2]
    paths = ", ".join(f"{root_path_of(settings.root_path)}/{route.path}" for route in routes)
    return f"{Path.cwd()} on http://{host}:{port}: {paths} ({settings.workers} x {settings.threads} threads)"

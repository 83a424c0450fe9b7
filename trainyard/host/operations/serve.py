"""From an image to a server: where it listens, whether it may, when it is ready, how it ends."""

from __future__ import annotations

import errno
import socket
import threading

from trainyard.errors import ENDED_BY_SIGNAL, EXIT_FAILED, TrainyardError
from trainyard.host.engines.base import Mount, Running, RunPlan
from trainyard.host.network import http_client as client
from trainyard.host.network.http_client import wait_until_ready
from trainyard.host.operations.image_to_run import ImageToRun
from trainyard.host.operations.session import Session
from trainyard.settings.host import ServerSettings, passed_on
from trainyard.settings.image import root_path_of

LAST_LINES = 20  # of a crashed container's log
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 -- only when BIND says so


def container_name(image: str) -> str:
    """The container that serves an image; image names may have slashes, containers' may not."""
    return image.replace("/", "-")


def base_url(bind: str, port: int) -> str:
    """The URL at which this machine reaches a server."""
    host = "127.0.0.1" if bind in EVERY_ADDRESS else bind
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def served_url(settings: ServerSettings) -> str:
    """The URL at which this machine reaches the routes of the server of make predict.

    Raises:
        TrainyardError: ROOT_PATH is not a path.
    """
    return f"{base_url(settings.bind, settings.port)}{root_path_of(settings.root_path)}"


def serving_plan(
    session: Session, image: ImageToRun, model: str, env: dict[str, str], mounts: tuple[Mount, ...]
) -> RunPlan:
    """The container that serves an image, with the settings of this call."""
    settings = session.settings
    workers = {"WORKERS": str(settings.workers)} if settings.workers else {}
    limits = {"STOP_TIMEOUT": str(settings.stop_timeout)}
    given = passed_on(session.repository.overrides)
    if settings.strict:
        given["STRICT"] = "1"
    if root_path := root_path_of(settings.root_path):
        given["ROOT_PATH"] = root_path
    if settings.api_token:
        given["API_TOKEN"] = settings.api_token
    env = env | workers | limits | given
    return RunPlan(
        image.name, container_name(image.name), "predict", model, env, mounts, settings.bind, settings.port,
        hardened=settings.hardened, image_id=image.id,
    )  # fmt: skip


def serve(session: Session, plan: RunPlan, paths: list[str]) -> str:
    """Start a server, print which routes serve once it is ready, and stay until it ends (DETACH=0) or not (DETACH=1);
    the URL at which this machine reaches it.

    Raises:
        TrainyardError: it cannot be started, it is not ready in READY_TIMEOUT seconds, or none of its routes serves;
            it does not run any more.
    """
    url = base_url(plan.bind, plan.port)
    if session.commands.dry_run:
        for path in paths:
            session.reporter.step(f"POST {served_url(session.settings)}/{path}")
        runner = session.engine.runner
        (runner.start if session.settings.detach else runner.run)(plan)
        return url
    _need_port(session, plan)
    if not session.settings.detach:
        session.reporter.step("Ctrl-C stops it")
        _serve_attached(session, plan, url)
        return url
    session.engine.runner.start(plan)
    _wait(session, plan, url)
    session.reporter.step(f"{plan.name} is ready; stop it with make stop")
    return url


def _serve_attached(session: Session, plan: RunPlan, url: str) -> None:
    """The server has the terminal; a thread looks at it meanwhile, and stops one that serves nothing."""
    ended = threading.Event()
    problems: list[TrainyardError] = []

    def look() -> None:
        try:
            wait_until_ready(url, lambda: not ended.is_set(), session.settings.ready_timeout)
            show_routes(session, plan, url)
        except TrainyardError as error:
            if not ended.is_set():  # else its end is what is reported
                problems.append(error)
                session.engine.runner.stop(plan.name)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        status = session.engine.runner.run(plan)
    except KeyboardInterrupt:
        session.reporter.step(f"Stopped {plan.name}")
        return
    finally:
        ended.set()
    if problems:
        looking.join()  # it is still about to remove the container
        raise problems[0]
    if status not in (0, *ENDED_BY_SIGNAL):
        raise TrainyardError(f"{plan.name} ended with status {status}: see above", exit_code=EXIT_FAILED)


def show_routes(session: Session, plan: RunPlan, url: str) -> None:
    """Print the routes of a server that is ready; of each that does not serve the reason.

    Raises:
        TrainyardError: none serves.
    """
    routes = client.routes(url)
    for route in routes:
        if route.reason:
            session.reporter.warn(f"/{route.path} does not serve: {route.reason}")
        else:
            session.reporter.step(f"POST {url}{plan.env.get('ROOT_PATH', '')}/{route.path}")
        if route.warning:
            session.reporter.warn(f"/{route.path}: {route.warning}")
    if all(route.reason for route in routes):
        what = f"{plan.name} was stopped, since none of its routes serves"
        raise TrainyardError(what, "the reasons are above", EXIT_FAILED)


def _wait(session: Session, plan: RunPlan, url: str) -> None:
    try:
        with session.reporter.waiting(f"Waiting for {plan.name} ..."):
            wait_until_ready(url, lambda: session.engine.runner.alive(plan.name), session.settings.ready_timeout)
        show_routes(session, plan, url)
    except BaseException as error:  # Ctrl-C too: nobody would know of a server that is left behind
        for text in (
            [] if isinstance(error, KeyboardInterrupt) else session.engine.runner.last_lines(plan.name, LAST_LINES)
        ):
            session.reporter.line(f"    {text}")
        session.engine.runner.stop(plan.name)
        raise


def _need_port(session: Session, plan: RunPlan) -> None:
    """What keeps a server from starting is reported before anything is started.

    Raises:
        TrainyardError: it runs already, PORT is none, BIND is not an address of this machine, the port is in use (with
            its holder where that is one of ours).
    """
    check_port(plan.port)
    servers = [(server, engine) for engine in session.engines() for server in engine.runner.running()]
    for server, engine in servers:
        ours = server.name == plan.name and server.root == str(session.repository.root)
        if ours and engine.name == session.engine.name:
            raise TrainyardError(f"{plan.name} runs already, on port {server.port}", _stop_hint(server))
    if is_free(plan.bind, plan.port):
        return
    other = f"or choose another: PORT={plan.port % 65535 + 1}"
    for server, engine in servers:
        if server.port == plan.port:
            what = f"port {plan.port} is in use by {server.name} ({server.model}, {engine.name})"
            raise TrainyardError(what, f"{_stop_hint(server)}, {other}")
    raise TrainyardError(f"port {plan.port} is in use", f"stop what listens there, {other}")


def check_port(port: int, setting: str = "PORT") -> None:
    """Raises:
    TrainyardError: the setting is not a port."""
    if not 0 < port < 65536:
        raise TrainyardError(f"{setting}={port}: not a port", "choose one from 1 to 65535")


def is_free(bind: str, port: int, setting: str = "PORT") -> bool:
    """Whether a server could listen there.

    Raises:
        TrainyardError: BIND is not an address of this machine, or the port is not ours to take.
    """
    check_port(port, setting)
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        what = f"BIND={bind} {setting}={port}: {error.strerror}"
        raise TrainyardError(what, "choose an address of this machine, and a free port") from None
    return True


def first_free_port(bind: str, port: int) -> int:
    """The first port from ``port`` on that a server could listen on.

    Raises:
        TrainyardError: none of a hundred is free.
    """
    for one in range(port, min(port + 100, 65536)):
        if is_free(bind, one):
            return one
    raise TrainyardError(f"no port from {port} on is free", "choose another: PORT=")


def _stop_hint(server: Running) -> str:
    which = f" MODEL={server.model}" if "/" in server.model else ""
    return f"cd {server.root} && make stop{which}"

"""Builder images, docker and the real s2i, for the tests that drive them without make."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import calls
from monorepo import OURS, ROOT, ask, is_healthy
from needs import need
from waiting import until

WRAPPERS = ROOT / "bin"
DAEMON, TRAIN = "trainyard/daemon", "trainyard/train"
# What OpenShift does to a container.
RESTRICTED = ("--user", "123456:0", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@functools.cache
def ensure_builders() -> None:
    """The builder images of today's sources; skips, or fails, where docker or s2i is missing."""
    need("docker")
    need("s2i")
    done = run([sys.executable, "-m", "trainyard", "builders", str(ROOT)], env={"ENGINE": "docker"})
    assert done.status == 0, done.output


@dataclass(frozen=True)
class Done:
    """What a program has printed, on both streams, and its exit status."""

    status: int
    output: str

    @property
    def errors(self) -> list[str]:
        """The lines that say what went wrong, but for s2i's own."""
        return [line for line in self.output.splitlines() if line.startswith("error: ")]


def environment(**env: str) -> dict[str, str]:
    """That of the tests, without the make that runs them, and with bin/ first on PATH."""
    inherited = {key: value for key, value in os.environ.items() if key not in OURS}
    return {**inherited, "PATH": f"{WRAPPERS}{os.pathsep}{os.environ['PATH']}", **env}


def run(argv: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Done:
    """Run a program to its end."""
    done = subprocess.run(
        argv, env=environment(**(env or {})), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, timeout=600, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout)


def run_real_s2i(*arguments: str) -> Done:
    """The real s2i without bin/s2i: no settings and no package cache are mounted."""
    return run(["s2i", *arguments], env={"PATH": os.environ["PATH"]})


def docker(*arguments: str) -> str:
    """The standard output of a docker command, which has to succeed."""
    return calls.call("docker", *arguments)


def config(image: str) -> dict[str, Any]:
    """What an image says of its containers: User, Cmd, Env, Labels, ..."""
    return dict(json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image)))


def inside(image: str, command: str, *options: str) -> str:
    """What a shell command prints in a container of ``image``."""
    return calls.inside("docker", image, command, *options)


def exists(image: str) -> bool:
    return bool(docker("images", "--quiet", image).strip())


@contextmanager
def serving(image: str, *options: str) -> Iterator[int]:
    """A container of a predict image that answers; its port."""
    container = docker("run", "--detach", "--publish", "127.0.0.1::5000", *options, image).strip()
    try:
        published = docker("port", container, "5000/tcp").splitlines()[0]
        port = int(published.rpartition(":")[2])
        try:
            until(lambda: is_healthy(port))
        except AssertionError as error:
            log = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=False)
            raise AssertionError(f"{error}\n{log.stdout}{log.stderr}") from None
        yield port
    finally:
        docker("rm", "--force", container)


def predictions(port: int, route: str, rows: list[list[float]]) -> list[Any]:
    """The predictions that a route answers."""
    status, text = ask(port, route, json.dumps({"payload": {"instances": rows}}).encode())
    assert status == 200, text
    return list(json.loads(text)["payload"]["predictions"])


class Workshop:
    """Builds images with s2i, through bin/s2i, and removes them in the end."""

    def __init__(self, prefix: str) -> None:
        self.prefix = f"trainyard-test-{prefix}-{os.getpid()}"
        self.images: list[str] = []

    def name(self, what: str) -> str:
        """A name for an image of this test session."""
        image = f"{self.prefix}-{re.sub('[^a-z0-9]+', '-', what.lower()).strip('-')}"
        self.images.append(image)
        return image

    def s2i(self, *arguments: str, **env: str) -> Done:
        return run([str(WRAPPERS / "s2i"), *arguments], env=env)

    def build(self, context: Path, builder: str, image: str, *options: str, **env: str) -> Done:
        """``s2i build`` of a context, which has to succeed."""
        done = self.s2i("build", "--copy", *options, str(context), builder, image, **env)
        assert done.status == 0, done.output
        return done

    def error(self, context: Path, builder: str = DAEMON) -> str:
        """The one ``error:`` line by which ``s2i build`` of a context fails."""
        image = self.name("broken")
        done = self.s2i("build", "--copy", str(context), builder, image)
        assert done.status != 0, done.output
        assert "Traceback" not in done.output
        assert not exists(image)
        assert len(done.errors) == 1, done.output
        return done.errors[0]

    def close(self) -> None:
        """Remove the images, and those that lost their name to a later build or to a failure."""
        for image in dict.fromkeys(self.images):
            labelled = docker("images", "--quiet", "--filter", f"label=io.k8s.display-name={image}")
            if found := [*docker("images", "--quiet", image).split(), *labelled.split()]:
                docker("rmi", "--force", *dict.fromkeys(found))

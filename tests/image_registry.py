"""Debian's docker-registry: a registry of images that speaks plain HTTP, on this machine."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from background import Daemon
from monorepo import free_port
from needs import need
from waiting import until

AUTH = "auth: {{htpasswd: {{realm: registry, path: {path}}}}}\n"
CONFIG = "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '{host}:{port}'}}\n"


class ImageRegistry:
    """Docker trusts plain HTTP on loopback alone, so ``name`` is there."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", login: str = "") -> None:
        """``host``: where it listens; 0.0.0.0 where nodes pull from it, by another address. ``login``: a line of
        htpasswd."""
        need("docker-registry")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.name = f"127.0.0.1:{self.port}"
        config = folder / "config.yml"
        config.write_text(CONFIG.format(folder=folder, host=host, port=self.port))
        if login:
            known = folder / "htpasswd"
            known.write_text(f"{login}\n")
            with config.open("a") as file:
                file.write(AUTH.format(path=known))
        self._daemon = Daemon(folder / "log", ["docker-registry", "serve", str(config)])

    def start(self) -> None:
        self._daemon.start()
        until(self._answers, 20, self._daemon.shown)

    def stop(self) -> None:
        self._daemon.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.name}/v2/", timeout=5) as response:
                return bool(response.status == 200)
        except urllib.error.HTTPError as error:
            return error.code == HTTPStatus.UNAUTHORIZED
        except OSError:
            return False


@contextmanager
def image_registry(folder: Path) -> Iterator[str]:
    """The name of one that runs meanwhile."""
    registry = ImageRegistry(folder)
    try:
        registry.start()
        yield registry.name
    finally:
        registry.stop()

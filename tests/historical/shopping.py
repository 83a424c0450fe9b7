"""How the users of the third-party monorepo work in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
from images import DAEMON, TRAIN, Done, environment, run
from monorepo import ask

MONOREPO = Path(__file__).parent / "monorepo"
NAMES = {
    TRAIN: "c12e/cortex-s2i-model-python36-slim:1.0.0",
    DAEMON: "c12e/cortex-s2i-daemon-python36-slim:1.0.0",
}
MODELS = ("linear", "nearest")
IMAGES = "trainyard-test-historical"
PORT = 5111  # their Makefiles say so
OWNER = 4321  # of models/, where the tests run as root and may choose


@dataclass(frozen=True)
class Shopping:
    """A copy of the monorepo's one project, and how its users work in it."""

    path: Path
    env: dict[str, str]

    def make(self, folder: str, *targets: str) -> Done:
        """make without a terminal, as far as their recipes go without one."""
        return run(["make", *targets], env=self.env, cwd=self.path / folder)

    def terminal(self, folder: str, *targets: str) -> pexpect.spawn:
        """make in a terminal, which `docker run -it` asks for."""
        return pexpect.spawn(
            "make",
            list(targets),
            cwd=str(self.path / folder),
            env=environment(**self.env),
            encoding="utf-8",
            timeout=120,
        )

    def finish(self, process: pexpect.spawn) -> Done:
        """What a program in a terminal says until it ends."""
        process.expect(pexpect.EOF)
        process.close()
        status = process.exitstatus if process.exitstatus is not None else 128 + process.signalstatus
        return Done(status, process.before)

    def binary(self, model: str) -> Path:
        return self.path / "models" / f"price_{model}.pkl"

    @contextmanager
    def serving(self, folder: str, *targets: str) -> Iterator[None]:
        """A server in the foreground of a terminal, ended by Ctrl-C."""
        process = self.terminal(folder, *targets)
        try:
            found = process.expect(["Ready to answer", pexpect.EOF])
            assert found == 0, process.before
            yield
            process.sendintr()
            process.expect(pexpect.EOF, timeout=20)
        finally:
            process.close(force=True)


def answer(model: str) -> dict[str, Any]:
    """What a model answers to two instances."""
    status, text = ask(PORT, f"price_{model}/predict", b'{"payload": {"instances": [[2, 1], [5, 2]]}}')
    assert status == 200, text
    return dict(json.loads(text)["payload"])

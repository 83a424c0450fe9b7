"""How the users of the third-party monorepo work in it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pexpect
from images import Done, environment, exists, run
from monorepo import ROOT, ask
from waiting import until

MONOREPO = Path(__file__).parent / "monorepo"
# The commands of docs/contract.md that give our images the names which build.sh says.
TAGS = re.findall(r"^ +docker tag (\S+) (\S+)$", (ROOT / "docs" / "contract.md").read_text(), re.MULTILINE)
MODELS = ("linear", "nearest", "middle")
IMAGES = "trainyard-test-historical"
PORT = 5111  # their Makefiles say so
OWNER = 4321  # of models/, where the tests run as root and may choose


@dataclass(frozen=True)
class Alone:
    """The answer of a model's own predict image, and what `make test-endpoint` printed."""

    answer: bytes
    tested: Done


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

    def serve_alone(self, model: str) -> Alone:
        built = self.make(model, "build-predict")
        assert exists(f"{IMAGES}-{model}-predict"), built.output
        with self.serving(model, "predict"):
            return Alone(answer(model), self.make(model, "test-endpoint"))

    @contextmanager
    def serving(self, folder: str, *targets: str) -> Iterator[None]:
        """A server in the foreground of a terminal, ended by Ctrl-C."""
        until(is_free, shown=lambda: f"port {PORT}, which historical Makefiles publish, is in use")
        process = self.terminal(folder, *targets)
        try:
            found = process.expect(["Ready to answer", pexpect.EOF])
            assert found == 0, process.before
            yield
            process.sendintr()
            process.expect(pexpect.EOF, timeout=20)
        finally:
            process.close(force=True)


def answer(model: str) -> bytes:
    """What a model answers to two instances."""
    status, text = ask(PORT, f"price_{model}/predict", b'{"payload": {"instances": [[2, 1], [5, 2]]}}')
    assert status == 200, text
    return text.encode()


def is_free() -> bool:
    """Whether nobody else has the port."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("0.0.0.0", PORT))
        return True
    return False

"""What a server that ``make predict`` runs may do; a part of every engine's contract."""

from __future__ import annotations

import json
import os
import re
from typing import Any, ClassVar

import pytest
from monorepo import Client, Model, Monorepo, ask
from waiting import until

# Behind a model's predict.py: what the server may do, where it is asked for a row that begins with REPORT. One that
# begins with WRITE lets it write beside its sources. BALLAST makes it heavy: MiB.
REPORT, WRITE = -1, -2
# Lines of its .s2i/environment. An engine could take something in them for its own.
LINES = ("$HOME ${HOME:-x} $$", 'say "so" {"a": 1}', "it's", r"C:\new \$x \"", "50% #1 `id`", "caf\u00e9  two", "end\\")
REPORTING = """

import pathlib
import tempfile

_predict = predict_double
_lines = [os.environ[f"LINE_{number}"] for number in range(7)]  # also while it is built
_ballast = b"x" * (int(os.getenv("BALLAST", "0")) << 20)


def predict_double(msg):
    if msg.payload["instances"][0][0] >= 0:
        return _predict(msg)
    if msg.payload["instances"][0][0] == -2:
        pathlib.Path("scratch").write_text("x")
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    facts = {key: status[key].strip() for key in ("CapEff", "CapBnd", "NoNewPrivs")}
    writable = [path for path in ("/", "/tmp", ".", "models") if os.access(path, os.W_OK)]
    facts["lines"] = _lines
    return facts | {"writable": writable, "user": [os.getuid(), os.getgid()], "tmp": tempfile.gettempdir()}
"""


def report_from(model: Model) -> None:
    """Let its predict function report. It is called double."""
    path = model.path / "predict.py"
    path.write_text(path.read_text() + REPORTING)
    with (model.path / ".s2i" / "environment").open("a") as file:
        file.writelines(f"LINE_{number}={text}\n" for number, text in enumerate(LINES))


# In front of what a train function returns: what the training may do.
TRAINING = """
    from os import getuid

    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    return {"facts": [status[key].strip() for key in ("CapEff", "CapBnd", "NoNewPrivs")], "user": getuid()}
    """


class ConfinedServers:
    """``variables`` are those of the engine's contract."""

    variables: ClassVar[dict[str, str]]

    def check_confinement(self, facts: dict[str, Any]) -> None:
        """What the server says of itself."""
        assert (int(facts["CapEff"], 16), int(facts["CapBnd"], 16), facts["NoNewPrivs"]) == (0, 0, "1")
        assert facts["user"] == [os.getuid() or 1001, 0]
        assert (facts["writable"], facts["tmp"]) == (["/tmp"], "/tmp")

    def check_write(self, status: int, logs: str) -> None:
        """What comes of a function that writes beside its sources."""
        assert status == 500
        assert "file system is read-only: write below /tmp, or serve it with HARDENED=0" in logs

    @pytest.mark.slow
    def test_a_server_is_confined_and_swaps_models_under_load(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, **self.variables) as port, Client(port, "double/predict") as client:
            self.check_confinement(client.post([[REPORT]])[0])
            version = client.post([[1, 2]])[1]
            with client.keep_posting([[1, 2]]) as answers:
                repo.make(model, "train", 'PAYLOAD={"factor": 3}', **self.variables).succeeded()
                until(lambda: client.post([[1, 2]])[1] != version, 10)
            assert {answer["predictions"][0] for answer, _ in answers} <= {6, 9}
            assert client.post([[1, 2]])[0]["predictions"] == [9]
            repo.make(model, "train", **self.variables).succeeded()  # as the other tests know it
            status = ask(port, "double/predict", b'{"payload": {"instances": [[%d]]}}' % WRITE)[0]
            logs = repo.make(model, "logs").succeeded()
            self.check_write(status, logs.out + logs.err)

    def check_training(self, printed: str) -> None:
        """What a training prints of itself."""
        none = "0" * 16
        assert json.dumps({"facts": [none, none, "1"], "user": os.getuid()}) in printed

    @pytest.mark.slow
    def test_a_training_is_confined(self, repo: Monorepo) -> None:
        model = repo.add_model("narrow")
        model.replace("train.py", 'return {"rows"', TRAINING.strip() + '\n    return {"rows"')
        self.check_training(repo.make(model, "train", **self.variables).succeeded().out)
        assert model.binary.stat().st_uid == os.getuid()
        shown = repo.make(model, "-n", "train", "HARDENED=0", **self.variables).succeeded().out
        assert "--cap-drop" not in shown
        repo.make(model, "train", "HARDENED=0", **self.variables).succeeded()

    @pytest.mark.slow
    def test_hardened_0_lifts_it(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, HARDENED="0", **self.variables) as port, Client(port, "double/predict") as client:
            assert "." in client.post([[WRITE]])[0]["writable"]
        shown = repo.make(model, "show", "HARDENED=0", **self.variables).succeeded().out
        assert re.search(r"^HARDENED +False +command line$", shown, re.MULTILINE)

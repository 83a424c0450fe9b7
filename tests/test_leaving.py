"""The command line ends, whatever the libraries that it used have left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainyard.host import cli

# As a verb is: imported when it is called.
CALLED = """
import importlib, runpy, trainyard.host.cli
trainyard.host.cli.main = lambda: importlib.import_module("verb")
runpy.run_module("trainyard", run_name="__main__")
"""


def end(folder: Path, verb: str, timeout: float = 30) -> None:
    (folder / "verb.py").write_text(verb)
    command = [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}){CALLED}"]
    subprocess.run(command, check=True, timeout=timeout)
    (folder / "verb.py").unlink()


@pytest.mark.slow
def test_a_pool_of_threads_that_nobody_closed(tmp_path: Path) -> None:
    """As of an artifact repository of MLflow's."""
    pool = "pool = concurrent.futures.ThreadPoolExecutor(); pool.submit(int).result()"
    end(tmp_path, f"import concurrent.futures; {pool}")


@pytest.mark.slow
def test_a_database_is_whole_without_its_log(tmp_path: Path) -> None:
    """A study.db that is copied is the study."""
    file = tmp_path / "study.db"
    base = f"import sqlite3\nbase = sqlite3.connect({str(file)!r}, isolation_level=None)"
    end(tmp_path, f"{base}\nbase.execute('PRAGMA journal_mode=WAL'); base.execute('CREATE TABLE trials (number)')")
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]
    assert b"trials" in file.read_bytes()


def test_a_folder_of_another_user_is_named_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verb(**_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "locks" / "one.lock"))

    monkeypatch.setattr(cli, "cli", verb)
    for ours, remark in ((tmp_path.stat().st_uid, "Permission denied\n"), (54321, "and we are 54321: work in a clone")):
        monkeypatch.setattr("os.getuid", lambda ours=ours: ours)
        with pytest.raises(SystemExit, match="1"):
            cli.main()
        assert remark in capsys.readouterr().err


@pytest.mark.parametrize(
    "finalizer", ["weakref.finalize(thing, end)", "def __del__(self): end()\nThing.__del__ = __del__"]
)
def test_a_signal_that_comes_while_python_cleans_up_is_heard(finalizer: str) -> None:
    """What is raised in there is printed and forgotten."""
    program = (
        "import os, signal, time, weakref\nfrom trainyard.host import cli\n"
        "class Thing: pass\ndef end(): os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.signal(signal.SIGTERM, cli._terminated)\nthing = Thing()\n"
        f"{finalizer}\ndel thing\nprint('on', flush=True)\ntime.sleep(20)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, "on\n", "")

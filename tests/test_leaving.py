"""The command line ends, whatever the libraries that it used have left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainyard.host import cli

LEFT = """
import concurrent.futures, runpy, {module}, trainyard.host.cli
{left}
trainyard.host.cli.main = lambda: None
runpy.run_module("trainyard", run_name="__main__")
"""


def end(module: str, left: str, timeout: float = 30) -> None:
    subprocess.run([sys.executable, "-c", LEFT.format(module=module, left=left)], check=True, timeout=timeout)


@pytest.mark.slow
def test_a_pool_of_threads_that_nobody_closed() -> None:
    """As of an artifact repository of MLflow's."""
    end("os", "pool = concurrent.futures.ThreadPoolExecutor(); pool.submit(int).result()")


@pytest.mark.slow
def test_a_database_is_whole_without_its_log(tmp_path: Path) -> None:
    """A study.db that is copied is the study."""
    file = tmp_path / "study.db"
    left = (
        f"base = sqlite3.connect({str(file)!r}, isolation_level=None)\n"
        "base.execute('PRAGMA journal_mode=WAL'); base.execute('CREATE TABLE trials (number)')"
    )
    end("sqlite3", left)
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

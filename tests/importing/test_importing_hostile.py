"""make import of what somebody has prepared: nothing of it runs, nothing leads out of it, nothing half-made stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from foreign import IDENTITY, commit, copy_of
from monorepo import Made, Monorepo, interrupt
from needs import can_mount
from waiting import until

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.fetching import fetched
from trainyard.host.support.reporter import Recording

SECRET = "the content of somebody's file"


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A historical monorepo with traps; each would leave the file ``ran`` beside it, or bring ``SECRET``."""
    source = copy_of("historical", tmp_path / "hostile")
    ran, secret = tmp_path / "ran", tmp_path / "secret.txt"
    secret.write_text(SECRET)
    trap = f"$(shell touch {ran})\n"
    model = source / "shopping/linear"
    text = (model / "Makefile").read_text()
    (model / "Makefile").write_text(f"{trap}X := $(shell touch {ran})\n{text}all:\n\ttouch {ran}\n")
    for name in ("GNUmakefile", "makefile"):
        (model / name).write_text(f"{trap}train:\n\ttouch {ran}\n")
    (source / "shopping/docs").mkdir()
    (source / "shopping/docs/Makefile").write_text(f"{trap}train check:\n\ttouch {ran}\n")
    (source / "shopping/all/GNUmakefile").write_text(trap)
    (model / "conftest.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (source / "setup.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (model / "link.txt").symlink_to(secret)
    (source / "shopping/data/outside").symlink_to(tmp_path)
    (source / "shopping/middle/round").symlink_to("..")
    (source / "shopping/middle/nowhere").symlink_to("nothing")
    os.mkfifo(source / "shopping/middle/pipe")
    (source / "shopping/middle/na\033[2Jme").write_text("x")
    (source / "shopping/.env").write_text(f"KEY={SECRET}\n")
    makefile = source / "shopping/nearest/Makefile"
    makefile.write_text(makefile.read_text().replace("data/prices.csv", "../../../secret.txt"))
    return source


def nothing_ran(made: Made, tmp_path: Path, repo: Monorepo) -> None:
    for verb in (["check"], ["-n", "train-all"]):
        repo.make(None, *verb)
    assert not (tmp_path / "ran").exists()
    brought = [path for path in (repo.path / "projects").rglob("*") if path.is_file()]
    assert not [path for path in brought if SECRET.encode() in path.read_bytes()]
    assert not [path for path in (repo.path / "projects").rglob("*") if path.is_symlink()]
    assert "\033" not in made.out + made.err


@pytest.mark.slow
def test_nothing_of_a_prepared_folder_runs_or_leads_out(repo: Monorepo, prepared: Path, tmp_path: Path) -> None:
    made = repo.make(None, "import", f"FROM={prepared}").succeeded()
    nothing_ran(made, tmp_path, repo)
    project = repo.path / "projects/shopping"
    report = (project / "IMPORTED.md").read_text() + (repo.path / "projects/lending/IMPORTED.md").read_text()
    for line in (
        "shopping/linear/link.txt: a link out of the source, refused",
        "shopping/data/outside: a link out of the source, refused",
        "shopping/middle/round: a link in a circle",
        "shopping/middle/nowhere: a link that leads nowhere",
        "shopping/middle/pipe: neither a file nor a folder",
        "moves the cursor",
        "shopping/.env: may hold credentials",
        "shopping/linear/GNUmakefile: make would read it in place of our Makefile",
        "shopping/docs/Makefile: make would take the folder for a model",
        "DATASET_NAME '../../../secret.txt' is not below the project",
    ):
        assert line in report, line
    assert not list(project.rglob("GNUmakefile")) and not list(project.rglob("makefile"))
    assert not (project / "docs/Makefile").exists()


@pytest.mark.slow
def test_nothing_of_a_prepared_git_repository_runs(prepared: Path, tmp_path: Path) -> None:
    """Hooks, filters, a submodule at a path of this machine, a template of the user with a hook."""
    ran, inner = tmp_path / "ran", tmp_path / "inner"
    for name in ("shopping/middle/pipe", "shopping/middle/na\033[2Jme"):
        (prepared / name).unlink()
    inner.mkdir()
    (inner / "file.txt").write_text(SECRET)
    commit(inner)
    (prepared / ".gitattributes").write_text("*.py filter=trap\n")
    commit(prepared)
    submodule = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "shopping/inner"]
    for arguments in (submodule, [*IDENTITY, "commit", "--quiet", "-m", "inner"]):
        subprocess.run(["git", *arguments], cwd=prepared, check=True, capture_output=True)
    for name in ("post-checkout", "pre-commit", "post-merge"):
        hook = prepared / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    repo = Monorepo(tmp_path / "repo")
    made = repo.make(None, "import", f"FROM=file://{prepared}").succeeded()
    nothing_ran(made, tmp_path, repo)
    assert not (repo.path / "projects/shopping/inner").exists()


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch {ran}'", "--upload-pack=touch {ran}", "file://{ran}#--upload-pack=x"]
)
def test_a_url_runs_nothing(repo: Monorepo, tmp_path: Path, url: str) -> None:
    repo.make(None, "import", "FROM=" + url.format(ran=tmp_path / "ran")).failed("FROM")
    assert not (tmp_path / "ran").exists()


def test_without_git_a_url_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(TrainyardError, match="git is not on PATH: install git"),
        fetched("https://host.invalid/x.git", tmp_path, Recording()),
    ):
        pass


@pytest.mark.slow
def test_ctrl_c_in_the_middle_leaves_nothing(repo: Monorepo, tmp_path: Path) -> None:
    source = copy_of("prices", tmp_path / "interrupted")
    for number in range(8_000):
        (source / f"part_{number}.txt").write_text("x")
    before = sorted((repo.path / "projects").glob("*")) if (repo.path / "projects").exists() else []
    process = repo.spawn(None, "import", f"FROM={source}")
    state = repo.path / ".trainyard"
    until(lambda: list(state.glob("import-*/projects")) or process.poll() is not None)
    output = interrupt(process)
    assert "Traceback" not in output
    assert process.returncode != 0 and "interrupted" in output, output
    assert (sorted((repo.path / "projects").glob("*")) if (repo.path / "projects").exists() else []) == before
    assert not list(state.glob("import-*"))


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")
def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    source = copy_of("prices", tmp_path / "large")
    (source / "weights.bin").write_bytes(bytes(5_000_000))
    repo = Monorepo(tmp_path / "repo")
    script = f'mount -t tmpfs -o size=1m tmpfs "{repo.path}/.trainyard" && exec make import "FROM={source}"'
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], cwd=repo.path, env=repo.environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    Made(done.returncode, done.stdout, done.stderr).failed("No space left on device")
    assert not (repo.path / "projects").exists()

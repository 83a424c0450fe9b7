"""``trainyard init`` and ``trainyard upgrade``: a monorepo of one's own, by the installed program alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import ROOT, free_port
from waiting import until
from wheels import attempt, build_wheel, install, run

pytestmark = pytest.mark.slow  # the wheel is built and installed; tests/test_adding.py is quick

NEXT = "0.1.1"
IDENTITY = {f"GIT_{who}_{what}": "somebody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture(scope="module")
def made(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A monorepo in a folder with a space in its name, as init leaves it."""
    folder = tmp_path_factory.mktemp("made") / "my models"
    run([program, "init", str(folder)])
    yield folder


def make(folder: Path, *arguments: str) -> str:
    return run(["make", "--no-print-directory", *arguments], folder, ENGINE="process")


def test_the_page_about_the_start(program: str, tmp_path: Path) -> None:
    """Each command as it stands there, but for the installation; the lines below it are among what it prints."""
    port, folder = str(free_port()), tmp_path
    page = (ROOT / "docs" / "start.md").read_text()
    steps = re.findall(r"^    \$ (.*)\n((?:    (?!\$ ).*\n)*)", page, re.MULTILINE)
    assert len(steps) > 8
    path = f"{Path(program).parent}:{os.environ['PATH']}"
    for command, below in steps:
        if command.startswith("cd "):
            folder /= command[3:]
        elif not command.startswith("uv tool install"):
            printed = run(["bash", "-c", command], folder, ENGINE="process", PORT=port, PATH=path)
            wanted = [normal(line) for line in below.splitlines()]
            assert [line for line in map(normal, printed.splitlines()) if line in wanted] == wanted, command


def normal(line: str) -> str:
    """Without the digits in which machines differ."""
    return re.sub(r"(\.\d{3})\d+", r"\1", line).strip()


def test_the_program_hands_over_to_the_version_of_the_monorepo(made: Path, program: str) -> None:
    make(made, "list")  # sets up
    version = made / ".venv" / "bin" / "python"
    path = run([str(version), "-P", "-c", "import trainyard; print(trainyard.__file__)"])
    module = Path(path.strip())
    text = module.read_text()
    module.unlink()  # it may be a link to the file of the program
    try:
        module.write_text(text + "\nprint('from the environment of the monorepo')\n")
        assert "from the environment of the monorepo" in run([program, "list", str(made)], ENGINE="process")
    finally:
        module.write_text(text)


def test_what_is_there_is_named_and_stays(program: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine:\n")
    (tmp_path / "projects").write_text("a file\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    done = attempt([program, "init", str(tmp_path)])
    assert done.returncode == 1
    error = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "Makefile" in error and "projects" in error and "notes.txt" not in error
    assert (tmp_path / "Makefile").read_text() == "mine:\n"
    assert (tmp_path / "projects").read_text() == "a file\n"
    assert (tmp_path / "mk" / "model.mk").is_file()


def test_init_again_adds_what_was_removed(program: str, tmp_path: Path) -> None:
    run([program, "init", str(tmp_path)])
    (tmp_path / "mk" / "all.mk").unlink()
    assert run([program, "init", str(tmp_path)]) == f"wrote {tmp_path}/mk/all.mk\n"
    assert "nothing to add" in attempt([program, "init", str(tmp_path)]).stderr
    assert "Wrote .gitlab-ci.yml" in attempt([program, "init", "--ci", "gitlab", str(tmp_path)]).stderr
    assert attempt([program, "init", "--ci", "travis", str(tmp_path)]).returncode == 2


def test_a_dry_run_writes_nothing(program: str, tmp_path: Path) -> None:
    assert f"would write {tmp_path}/there/Makefile" in run([program, "-n", "init", str(tmp_path / "there")])
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("name", "reason"), [("a:b", "a colon"), ("mono/projects/inner", "inside the monorepo"), ("file", "not a folder")]
)
def test_where_no_monorepo_can_be(program: str, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "mono").mkdir()
    (tmp_path / "mono" / "trainyard.toml").touch()
    (tmp_path / "file").touch()
    done = attempt([program, "init", str(tmp_path / name)])
    assert done.returncode == 2 and reason in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_leaves_nothing(program: str, tmp_path: Path) -> None:
    folder, scratch = tmp_path / "new", tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [program, "init", str(folder)], start_new_session=True, stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    until(lambda: [*scratch.iterdir()])  # it renders
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert folder.exists() == (process.returncode == 0)
    assert not [*scratch.iterdir()]


def test_an_upgrade_merges_and_moves_the_pin(made: Path, program: str, tmp_path: Path) -> None:
    """What the user has changed and deleted stays, what the next version changes comes, the environment follows."""
    mine = tmp_path / "mine"
    shutil.copytree(made, mine, ignore=shutil.ignore_patterns(".venv", ".trainyard", "runs", "*.pkl", "*.json.lock"))
    readme = mine / "README.md"
    readme.write_text(readme.read_text().replace("# Models\n", "# Our models\n"))
    shutil.rmtree(mine / "projects" / "rents")
    (mine / "projects").mkdir(exist_ok=True)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "ours"]):
        run(["git", *command], mine, **IDENTITY)
    new = install(build_wheel(next_version(tmp_path / "sources"), tmp_path / "dist"), tmp_path / "venv")
    assert f"to {NEXT}" in attempt([str(new), "-n", "upgrade"], mine).stderr
    assert run(["git", "status", "--porcelain"], mine) == ""
    run([str(new), "upgrade"], mine)
    text = readme.read_text()
    assert text.startswith("# Our models\n") and "A line of the next version." in text
    assert not (mine / "projects" / "rents").exists()
    assert f'version = "{NEXT}"' in (mine / "trainyard.toml").read_text()
    assert [path.name for path in (mine / "mk").glob("*.whl")] == [f"trainyard-{NEXT}-py3-none-any.whl"]
    make(mine, "list")
    version = ["-P", "-c", "import trainyard; print(trainyard.__version__)"]
    assert run([str(mine / ".venv" / "bin" / "python"), *version]) == f"{NEXT}\n"
    assert "already" in attempt([str(new), "upgrade"], mine).stderr


def next_version(sources: Path) -> Path:
    """The sources as a release leaves them, then moved on by a line in a template."""
    for path in run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT).splitlines():
        (sources / path).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_file():
            shutil.copy(ROOT / path, sources / path)
    run([str(ROOT / ".venv" / "bin" / "python"), "-P", "-m", "tools.keep_templates"], sources, PYTHONPATH=str(sources))
    package = sources / "trainyard"
    (package / "__init__.py").write_text((package / "__init__.py").read_text().replace('"0.1.0"', f'"{NEXT}"'))
    readme = package / "templates" / "monorepo" / "README.md"
    readme.write_text(readme.read_text() + "\nA line of the next version.\n")
    return sources


def test_an_upgrade_wants_a_clean_work_tree(made: Path, program: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(made, mine, ignore=shutil.ignore_patterns(".venv", ".trainyard"))
    (mine / "trainyard.toml").write_text('version = "0.0.1"\n')
    done = attempt([program, "upgrade"], mine)
    assert done.returncode == 1 and "git-tracked" in done.stderr
    assert (mine / "trainyard.toml").read_text() == 'version = "0.0.1"\n'


@pytest.mark.nightly
def test_a_run_is_trained_again(made: Path) -> None:
    """The last: it puts into git what the others copy."""
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "ours"]):
        run(["git", *command], made, **IDENTITY)
    make(made, "train", "MODEL=rents/linear")
    assert re.search("^metric mae .* equal$", make(made, "reproduce", "MODEL=rents/linear"), re.MULTILINE)
    assert [*(made / ".trainyard" / "reproduce").iterdir()] == []

"""The rules of structure of this repository."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "trainyard"
FILES = [
    Path(name)
    for name in subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
]
# What images hold, and what only the host has. A room imports what stands before it, and itself.
LIBRARY = ("errors", "settings", "contract", "image", "models")
HOST_ROOMS = (
    "support", "monorepo", "secrets", "network", "requirements", "build", "engines", "experiments", "data", "compute",
    "operations", "scaffold", "retrain", "ci", "verbs", "cli",
)  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for path in PACKAGE.rglob("*.py"):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> set[str]:
    """The first-level modules of the package that a file imports."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trainyard"):
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                name.split(".")[1] for name in (alias.name for alias in node.names) if name.startswith("trainyard.")
            }
    return found - {"__version__"}


def test_what_images_hold_needs_nothing_of_the_host() -> None:
    for top, path in modules():
        if top in LIBRARY:
            assert imports(path) <= set(LIBRARY[: LIBRARY.index(top) + 1]), path


def test_the_event_loop_knows_nothing_of_groups() -> None:
    for path in (PACKAGE / "image/serve/http").rglob("*.py"):
        assert "serve.groups" not in path.read_text(), path


def test_the_host_does_not_import_what_runs_in_images() -> None:
    elsewhere = PACKAGE / "host/experiments/tracking/pyfunc_loader.py"  # a file for MLflow, which runs it beside models
    for path in {*(PACKAGE / "host").rglob("*.py")} - {elsewhere}:
        assert not imports(path) & {"image", "models"}, path


def test_rooms_of_the_host_import_those_before_them() -> None:
    host = PACKAGE / "host"
    assert {path.stem for path in host.iterdir() if path.suffix == ".py" or path.is_dir()} - {
        "__init__", "__pycache__"
    } == set(HOST_ROOMS)  # fmt: skip
    for path in host.rglob("*.py"):
        room = path.relative_to(host).parts[0].removesuffix(".py")
        if room in HOST_ROOMS:
            known = HOST_ROOMS[: HOST_ROOMS.index(room) + 1]
            assert _host_rooms(path) <= set(known), path


def test_only_the_command_line_prints() -> None:
    """All below the verbs report to an object that they are handed, and raise, so that a service can call them."""
    host = PACKAGE / "host"
    for path in {*host.rglob("*.py")} - {*(host / "verbs").rglob("*.py"), host / "cli.py", host / "support/console.py"}:
        tree = ast.parse(path.read_text())
        assert "trainyard.host.support.console" not in _imported(path, {"trainyard.host.support.console"}), path
        names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}
        assert not names & {"print", "sys.exit", "sys.stdout", "sys.stderr", "click.echo"}, path


def _host_rooms(path: Path) -> set[str]:
    names = re.findall(r"^ *(?:from|import) trainyard\.host\.(\w+)", path.read_text(), re.MULTILINE)
    return set(names)


def test_the_package_has_few_rooms() -> None:
    tops = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")} - {"__init__.py", "__main__.py"}
    assert len(tops) < 8, tops
    assert len(HOST_ROOMS) + len(tops) - 1 <= 21


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest cannot collect two of one name in one run. What is in no package, Python imports once by its name."""
    names = Counter(path.name for path in FILES if path.parts[0] == "tests" and path.match("test_*.py"))
    assert not [name for name, count in names.items() if count > 1]
    packages = {path.parent for path in FILES if path.name == "__init__.py"}
    imported = [path for path in FILES if path.parts[0] == "tests" and len(path.parts) < 4 and path.suffix == ".py"]
    alone = Counter(path.name for path in imported if path.parent not in packages and path.name != "conftest.py")
    assert not [name for name, count in alone.items() if count > 1]


def test_interfaces_are_small() -> None:
    """What a platform or a compute has to implement: at most ten methods and properties."""
    found = [found for path in (PACKAGE / "host").rglob("*.py") for found in _protocols(path)]
    assert {"Images", "Builder", "Runner"} <= {name for name, _ in found}
    assert not [(name, methods) for name, methods in found if len(methods) > 10]


def _protocols(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The interfaces of a file, each with its public methods and properties."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef) and "Protocol" in {ast.unparse(base).split("[")[0] for base in node.bases}:
            names = [part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
            yield node.name, [name for name in names if not name.startswith("_")]


def test_no_modules_import_each_other() -> None:
    paths = {}
    for path in PACKAGE.rglob("*.py"):
        paths[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    arrows = {name: _imported(path, paths.keys()) - {name} for name, path in paths.items()}
    while leaves := {name for name, targets in arrows.items() if not targets}:
        arrows = {name: targets - leaves for name, targets in arrows.items() if name not in leaves}
    assert not arrows, arrows


def _imported(path: Path, known: Collection[str]) -> set[str]:
    """Which of the ``known`` modules a file imports, wherever in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & set(known) or {node.module or ""}
    return found & set(known)


def test_the_ground_floor_needs_nothing_but_python() -> None:
    import sys

    for top, path in modules():
        if top in ("errors", "settings", "contract") or path.is_relative_to(PACKAGE / "image" / "train"):
            for node in ast.walk(tree(path)):
                names = (
                    [a.name for a in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                for name in names:
                    known = (
                        sys.stdlib_module_names | {"trainyard"} | ({"pyarrow"} if path.stem == "arrow_files" else set())
                    )
                    assert name.split(".")[0] in known, f"{path} imports {name}"


def test_engines_are_named_in_one_place() -> None:
    allowed = (
        "trainyard/host/engines/",
        "builders/",
        "tests/",
        "docs/",
        "README.md",
        "CHANGELOG",
        "CONTRIBUTING",
        ".ci/",
        "bin/",
        "tools/",
        "bench/",
        "deploy/",
        "trainyard/host/scaffold/importing/bentoml_project.py",  # a key of its file
        "trainyard/host/compute/compute_file.py",  # that of another machine
        "trainyard/host/compute/shell/container_command.py",
        "trainyard/host/retrain/mlprojects/container.py",  # MLflow Projects know one engine alone
    )
    texts = {
        path: (ROOT / path).read_text(errors="replace")
        for path in FILES
        if path.suffix in (".py", ".mk", ".sh", "") and (ROOT / path).is_file()
    }
    for path, text in texts.items():
        if not str(path).startswith(allowed) and path.name != "LICENSE":
            found = [line for line in text.splitlines() if re.search(r"\b(docker|podman)\b", line)]
            # Settings say what ENGINE may be.
            assert not [line for line in found if "setting(" not in line], f"{path}: {found}"


def test_os_environ_is_read_in_settings_alone() -> None:
    """Where a variable is handed on to a program, or is make's, it is no setting."""
    handing_on = {
        "settings", "image/serve", "image/train", "image/compat", "image/check_wiring.py", "host/cli.py",
        "host/engines", "host/monorepo/repository.py", "host/requirements", "host/support/command.py",
    }  # fmt: skip
    for _, path in modules():
        if not any(path.is_relative_to(PACKAGE / place) for place in handing_on):
            used = [
                node
                for node in ast.walk(tree(path))
                if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ"
            ]
            assert not used, path


# What opens, lists, writes or removes a file by its path, and may so follow a link.
BY_PATH = {
    "append", "chmod", "copy", "copy2", "copyfile", "copytree", "exists", "glob", "hardlink_to", "is_dir", "is_file",
    "iterdir", "log_artifact", "log_artifacts", "mkdir", "move", "open", "open_regular", "promote", "read_bytes",
    "read_json", "read_text", "rename", "replace", "replacing", "rglob", "rmdir", "rmtree", "sha256_of", "stat",
    "touch", "unlink", "walk", "write_bytes", "write_text", "write_whole",
}  # fmt: skip
OF_CONTAINERS = re.compile(r"\.path\(|\b(run|parent|latest)\.folder\b|\.binary\b|\b_log\.open\b")
ASKED_OF_RECORDS = {"is_trained", "read_record", "read_compiled", "files_named_by"}


@pytest.mark.parametrize("room", ["experiments", "operations", "verbs", "build/baked_files.py"])
def test_what_containers_write_to_is_opened_without_following_links(room: str) -> None:
    """``Run.files`` and ``SharedFolder`` do, and what is given ``below`` or ``links=False``."""
    place = PACKAGE / "host" / room
    ours = {PACKAGE / "host/experiments/registry/served_folder.py"}  # a folder of ours, which containers can only read
    paths = [place] if place.is_file() else place.rglob("*.py")
    for path in set(paths) - ours:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and not _keeps_below(node):
                assert not _follows_links(node), f"{path}:{node.lineno}: {ast.unparse(node)}"


def _keeps_below(call: ast.Call) -> bool:
    given = {keyword.arg for keyword in call.keywords} & {"below", "links"}
    return bool(given) or (ast.unparse(call.func) == "sha256_of" and len(call.args) == 2)


def _follows_links(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    if name in ASKED_OF_RECORDS:
        return True
    shared = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value).endswith(".files")
    return name in BY_PATH and not shared and bool(OF_CONTAINERS.search(ast.unparse(call)))


def test_leaf_makefiles_have_no_recipes() -> None:
    leaves = list(ROOT.glob("projects/*/*/Makefile"))
    assert len(leaves) > 10
    for leaf in leaves:
        lines = [line for line in leaf.read_text().splitlines() if line and not line.startswith("#")]
        assert len(lines) <= 4, leaf
        assert re.fullmatch(r"include \.\./\.\./\.\./mk/(model|all)\.mk", lines[-1]), leaf
        assert not any(line.startswith("\t") for line in lines), leaf


def test_files_are_of_a_size_to_read() -> None:
    for path in FILES:
        if path.suffix == ".py" and path.parts[0] in ("trainyard", "tests"):
            assert (ROOT / path).read_text().count("\n") <= 330, path


def test_no_clone_gets_the_line_ends_of_windows() -> None:
    """Whatever core.autocrlf says: neither sh nor make can read them."""
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        assert "attr/text=auto eol=lf" in line, line
        assert "i/crlf" not in line, line


ALWAYS_TRUE = (ast.Dict, ast.Set, ast.List, ast.Tuple, ast.JoinedStr, ast.GeneratorExp, ast.Lambda)


def can_fail(test: ast.expr) -> bool:
    """Whether an assert of that expression can fail. A sum of dicts or sets says nothing before it is compared."""
    if isinstance(test, ast.BoolOp):
        return (all if isinstance(test.op, ast.Or) else any)(can_fail(value) for value in test.values)
    if isinstance(test, ast.BinOp):
        return not isinstance(test.op, ast.BitOr | ast.Add | ast.Mult)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name):
        return test.func.id not in ("map", "filter", "zip", "iter", "reversed", "enumerate")
    return not isinstance(test, ALWAYS_TRUE) and not (isinstance(test, ast.Constant) and test.value)


def test_every_assert_can_fail() -> None:
    for path in FILES:
        if path.suffix == ".py":
            for node in ast.walk(tree(ROOT / path)):
                assert not isinstance(node, ast.Assert) or can_fail(node.test), f"{path}:{node.lineno}"


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("found | {'a': 1}", False), ("found | {'a': 1} == found", True), ("(found, 'why')", False), ("'text'", False),
        ("map(str, found)", False), ("any(found)", True), ("found or 'text'", False), ("found and other", True),
    ],
)  # fmt: skip
def test_what_an_assert_cannot_be(text: str, can: bool) -> None:
    assert can_fail(ast.parse(text, mode="eval").body) == can


def test_tests_wait_by_one_function() -> None:
    """A loop with a deadline, or that sleeps until something is there, is waiting.until."""
    for path in FILES:
        if path.parts[0] == "tests" and path.suffix == ".py" and path.name != "waiting.py":
            for node in ast.walk(tree(ROOT / path)):
                waits = isinstance(node, ast.While) and len(node.body) == 1 and "sleep(" in ast.unparse(node.body)
                assert not waits, f"{path}:{node.lineno}"

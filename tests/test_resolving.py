"""Resolving against an index of a few packages: hashes, wheels, Pythons, and whose code is run where."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from package_index import hash_of, sdist, served, wheel

from trainyard.errors import TrainyardError
from trainyard.host.requirements.compiling import Compiler, run_uv
from trainyard.host.requirements.errors import Clash
from trainyard.host.requirements.given_hashes import with_given_hashes
from trainyard.host.requirements.install_target import Target
from trainyard.host.requirements.requirement_files import Requirement, read_requirement
from trainyard.host.requirements.wheels import check_wheels
from trainyard.settings.host import HostSettings

RAN = "import os; open({path!r}, 'w').write(os.environ.get('SECRET_OF_CALLER', ''))"
PLAIN = wheel("plain", "1.0")
PLATFORM = "manylinux_2_17_x86_64"
LINUX = Target("3.12", "x86_64-manylinux_2_36")


@dataclass
class Images:
    """Where packages may be built: here, as the process engine does it; and what was left to it."""

    settings: HostSettings
    python: Target = LINUX
    built: list[Sequence[str]] = field(default_factory=list)

    def target(self) -> Target:
        return self.python

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        self.built.append(arguments)
        return run_uv(arguments, folder, self.settings)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the code of a package writes when it is run."""
    return tmp_path_factory.mktemp("ran") / "file"


@pytest.fixture(scope="module")
def index(ran: Path) -> Iterator[str]:
    packages = [
        PLAIN, wheel("newer", "1.0", python=">=3.12"), wheel("newest", "1.0", python=">=3.99"),
        wheel("passed", "2.0", python=">=3.12"), wheel("passed", "1.5", requires="plain<1"),
        wheel("old", "1.0", tag=f"cp38-cp38-{PLATFORM}"), wheel("old", "1.5", tag=f"cp312-cp312-{PLATFORM}"),
        wheel("old", "2.0"), wheel("middle", "1.0", tag=f"cp311-cp311-{PLATFORM}"), wheel("middle", "2.0"),
        wheel("user", "1.0", requires="middle<2"), sdist("source", "1.0", RAN.format(path=str(ran))),
        wheel("late", "1.0", tag=f"cp38-cp38-{PLATFORM}"), sdist("late", "1.0"), wheel("late", "2.0"),
        wheel("wheels", "1.0"), sdist("wheels", "2.0"),
    ]  # fmt: skip
    with served(*packages) as url:
        yield url


@pytest.fixture
def images(index: str) -> Images:
    return Images(HostSettings.read({"INDEX_URL": index}))


def requirement(folder: Path, text: str) -> Requirement:
    path = folder / "requirements_predict.txt"
    path.write_text(text)
    return read_requirement(path, folder, folder / "cache")


def resolve(images: Images, *inputs: Requirement) -> str:
    return Compiler(images.settings, lambda: images).compile(inputs)


def refused(images: Images, *inputs: Requirement) -> str:
    with pytest.raises(TrainyardError) as raised:
        check_wheels(resolve(images, *inputs), inputs, Compiler(images.settings, lambda: images))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.slow
def test_given_hashes_are_kept_and_enforced(images: Images, tmp_path: Path) -> None:
    found = requirement(tmp_path, f"plain==1.0 --hash={hash_of(PLAIN)} --hash=sha256:{'0' * 64}\n")
    assert with_given_hashes(resolve(images, found), found) == f"plain==1.0 \\\n    --hash={hash_of(PLAIN)}\n"
    other = requirement(tmp_path, f"plain==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(TrainyardError, match=r"predict\.txt:1: 'plain==1.0' gives hashes that no file"):
        with_given_hashes(resolve(images, other), other)


@pytest.mark.slow
def test_constraints_and_indexes_of_a_file_are_heeded(index: str, tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("old<2\n")
    images = Images(HostSettings.read({"INDEX_URL": "https://127.0.0.1:9/simple"}))
    text = f"--extra-index-url {index}\n-c limits.txt\nold>1\n"
    assert "127.0.0.1:9" in refused(images, requirement(tmp_path, text))  # the usual one is still asked
    images = Images(HostSettings.read({"INDEX_URL": index}))
    assert resolve(images, requirement(tmp_path, text)).startswith("old==1.5 ")


@pytest.mark.slow
def test_a_package_beside_the_model_is_resolved_without_an_index_having_it(images: Images, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "setup.py").write_text("setup(name='own', version='3', install_requires=['plain'])")
    found = requirement(tmp_path, "-e ./own\n")
    lock = with_given_hashes(resolve(images, found), found)
    assert f"own==3 \\\n    --hash={found.packages[0].hash}\n" in lock
    assert "plain==1.0" in lock
    assert not images.built
    (tmp_path / "own" / "setup.py").write_text("setup(name='own', version='3')")
    with pytest.raises(Clash, match="two packages own 3 that differ"):
        resolve(images, found, requirement(tmp_path, "./own\n"))


@pytest.mark.slow
def test_code_of_a_package_is_run_by_the_engine_alone_and_sees_nothing_of_the_caller(
    images: Images, tmp_path: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_CALLER", "s3cret")
    assert resolve(images, requirement(tmp_path, "wheels\n")).startswith(
        "wheels==1.0"
    )  # the wheel, not the newer source
    assert not images.built
    assert "source==1.0" in resolve(images, requirement(tmp_path, "source\n"))
    assert len(images.built) == 1
    assert "--only-binary" not in images.built[0]
    assert ran.read_text() == ""


@pytest.mark.slow
def test_a_pin_without_a_wheel_is_named_with_the_nearest_version_that_has_one(images: Images, tmp_path: Path) -> None:
    line = refused(images, requirement(tmp_path, "plain\nold==1.0\n"))
    assert f"{tmp_path}/requirements_predict.txt:2 (old==1.0): old==1.0 has no wheel for Python 3.12" in line
    assert "write old==1.5, the nearest" in line
    assert "BASE_IMAGE" not in line  # no Python that an image can have has one
    assert not images.built


@pytest.mark.slow
def test_a_pin_for_an_older_python_than_the_images_names_the_image_that_has_it(images: Images, tmp_path: Path) -> None:
    line = refused(images, requirement(tmp_path, "middle==1.0\n"))
    assert "middle==1.0 has no wheel for Python 3.12: write middle==2.0" in line
    assert "BASE_IMAGE=python:3.11-" in line
    line = refused(images, requirement(tmp_path, "user\n"))  # by what another package requires
    assert "requirements_predict.txt: middle==1.0 has no wheel" in line


@pytest.mark.slow
def test_with_a_setup_script_a_compiler_may_be_there(images: Images, tmp_path: Path) -> None:
    found = requirement(tmp_path, "late==1.0\n")
    assert "late==1.0 has no wheel for Python 3.12: write late==2.0" in refused(images, found)
    assert not images.built
    (tmp_path / "setup.sh").write_text("apt-get install -y gcc\n")
    assert "late==1.0" in resolve(images, found)
    assert len(images.built) == 1


@pytest.mark.slow
def test_a_package_for_newer_pythons_is_locked_for_that_of_the_images(images: Images, tmp_path: Path) -> None:
    assert resolve(images, requirement(tmp_path, "newer\n")).startswith("newer==1.0")
    line = refused(images, requirement(tmp_path, "newest\n"))
    assert "newest needs Python>=3.99" in line
    assert "have 3.12" in line
    assert "newest ; python_version >= '3.99'" in line
    with pytest.raises(Clash):  # a newer Python would not help
        resolve(images, requirement(tmp_path, "passed>1\nplain>1\n"))


@pytest.mark.slow
def test_many_threads_may_ask_for_uv_first() -> None:
    code = (
        "import threading, concurrent.futures as f; from trainyard.host.requirements.compiling import uv_program\n"
        "together = threading.Barrier(8)\n"
        "with f.ThreadPoolExecutor(8) as pool:\n"
        "    print(len(set(pool.map(lambda _: (together.wait(), uv_program())[1], range(8)))))"
    )
    for _ in range(5):
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"

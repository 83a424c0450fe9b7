"""What make new-model asks of package indexes before it writes a net; the packages here are empty ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from package_index import served, wheel

from trainyard.errors import TrainyardError
from trainyard.host.requirements.compiling import Compiler
from trainyard.host.requirements.install_target import Target
from trainyard.host.scaffold import net_packages
from trainyard.host.scaffold.net_packages import check_tensorflow, index_of_torch
from trainyard.host.support.reporter import Recording
from trainyard.settings.host import HostSettings

PLATFORM = "manylinux_2_17_x86_64"
NOWHERE = "http://127.0.0.1:9/whl/cpu"


@dataclass
class Images:
    python: str

    def target(self) -> Target:
        return Target(self.python, "x86_64-manylinux_2_36")

    def compile(self, *_: object) -> tuple[int, str]:
        raise AssertionError("nothing is built here")


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    packages = [wheel("tensorflow_cpu", "2.21.0", tag=f"cp312-cp312-{PLATFORM}"),
                wheel("tensorflow", "2.21.0", tag=f"cp312-cp312-{PLATFORM}"), wheel("torch", "2.15.0")]  # fmt: skip
    with served(*packages) as url:
        yield url


@pytest.fixture(scope="module")
def cpu_index() -> Iterator[str]:
    with served(wheel("torch", "2.15.0+cpu")) as url:
        yield url


def asked(index: str, python: str = "3.12", **more: str) -> Compiler:
    return Compiler(HostSettings(index_url=index, index_timeout=3, **more), lambda: Images(python))


def test_keras_needs_a_tensorflow_for_the_python_of_the_images(index: str) -> None:
    check_tensorflow(asked(index))
    with pytest.raises(TrainyardError, match=r"FRAMEWORK=keras: TensorFlow has no wheel for Python 3\.15") as raised:
        check_tensorflow(asked(index, "3.15"))
    assert "BASE_IMAGE=" in raised.value.hint


@pytest.mark.slow  # uv tries three times
def test_an_index_that_does_not_answer_is_no_reason_to_refuse_keras() -> None:
    check_tensorflow(asked(NOWHERE))


@pytest.mark.slow  # uv tries three times
def test_the_index_of_torch_is_named_where_it_answers(
    index: str, cpu_index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Recording()
    monkeypatch.setattr(net_packages, "CPU_INDEX", cpu_index)
    assert index_of_torch(asked(index), heard) == cpu_index
    assert index_of_torch(asked(index, extra_index_url=cpu_index), heard) == ""
    assert heard.noted("warning") == []
    monkeypatch.setattr(net_packages, "CPU_INDEX", NOWHERE)
    assert index_of_torch(asked(index), heard) == ""
    assert "EXTRA_INDEX_URL" in heard.noted("warning")[0]

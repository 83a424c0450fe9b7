"""Which packages of an old lock the index no longer has."""

from __future__ import annotations

from pathlib import Path

import pytest
from package_index import Package, hash_of, sdist, served, wheel

from trainyard.errors import TrainyardError
from trainyard.host.requirements.compiling import Compiler, PackageBuilder
from trainyard.host.requirements.gone_packages import gone_packages
from trainyard.host.requirements.install_target import Target
from trainyard.host.requirements.lock_files import with_indexes
from trainyard.settings.host import BuildSettings


def lock(*packages: Package, marker: str = "") -> str:
    """The entries of a lock that was made when the index had these."""
    named = ((package[0].removesuffix(".tar.gz").split("-")[:2], hash_of(package)) for package in packages)
    return "".join(f"{name}=={version}{marker} \\\n    --hash={one}\n" for (name, version), one in named)


def gone(text: str, index: str, *, beside: tuple[str, ...] = (), wheelhouse: str = "") -> list[str]:
    settings = BuildSettings(index_url=index, wheelhouse=wheelhouse, index_timeout=2)
    return gone_packages(text, Compiler(settings, _no_builder), Target("3.12"), beside)


def _no_builder() -> PackageBuilder:
    raise AssertionError("nothing is built for it")


ONE, TWO, SOURCE = wheel("one", "1.0"), wheel("two", "1.0"), sdist("source", "1.0", "raise SystemExit(9)")


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((ONE, TWO, SOURCE), []),
        ((ONE, wheel("two", "2.0"), SOURCE), ["two==1.0"]),
        ((wheel("one", "2.0"), wheel("two", "2.0"), SOURCE), ["one==1.0", "two==1.0"]),
        ((wheel("one", "1.0", requires="two"), TWO, SOURCE), ["one==1.0"]),  # other bytes under the same name
    ],
)
def test_versions_and_files_that_are_gone(there: tuple[Package, ...], missing: list[str]) -> None:
    """No code of a package is run for it."""
    with served(*there) as index:
        assert sorted(gone(lock(ONE, TWO, SOURCE), index)) == missing


def test_what_this_machine_does_not_install_is_not_asked_for() -> None:
    with served(ONE) as index:
        assert gone(lock(ONE) + lock(TWO, marker=" ; sys_platform == 'win32'"), index) == []
        assert gone(lock(ONE, TWO), index, beside=(hash_of(TWO),)) == []


def test_a_lock_may_have_two_versions_of_a_package() -> None:
    newer = wheel("one", "2.0")
    text = lock(ONE, marker=" ; python_full_version < '3.12'") + lock(newer, marker=" ; python_full_version >= '3.12'")
    with served(newer) as index:
        assert gone(text, index) == []
    with served(ONE) as index:
        assert gone(text, index) == ["one==2.0"]


def test_an_index_that_a_lock_names_is_asked_too() -> None:
    with served(ONE) as index, served(TWO) as more:
        assert gone(with_indexes(lock(ONE, TWO), [more]), index) == []


def test_a_wheelhouse_is_asked_in_the_place_of_the_index(tmp_path: Path) -> None:
    (tmp_path / ONE[0]).write_bytes(ONE[1])
    assert gone(lock(ONE, TWO), "http://127.0.0.1:9/simple", wheelhouse=str(tmp_path)) == ["two==1.0"]


@pytest.mark.slow
def test_an_index_that_cannot_be_reached_has_lost_nothing() -> None:
    with pytest.raises(TrainyardError, match="cannot be reached"):
        gone(lock(ONE), "http://127.0.0.1:9/simple")

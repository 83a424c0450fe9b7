"""make predict-all GROUPS=auto: models whose requirements clash, behind one port."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from grouped import toolz_repo
from monorepo import Monorepo, ask

pytestmark = pytest.mark.slow

SAMPLE = b'{"payload": {"instances": [[1, 2], [3, 4]]}}'
WANTED = {"one": "0.12.1", "two": "1.0.0", "three": "0.12.1"}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    repo = toolz_repo(tmp_path_factory.mktemp("repo"))
    repo.make(repo.path / "projects" / "sums" / "all", "-j2", "train-all").succeeded()
    yield repo


@pytest.fixture
def folder(repo: Monorepo) -> Path:
    return repo.path / "projects" / "sums" / "all"


def post(connection: http.client.HTTPConnection, name: str) -> dict[str, object]:
    connection.request("POST", f"/{name}/predict", SAMPLE)
    response = connection.getresponse()
    assert response.status == 200
    return dict(json.loads(response.read())["payload"])


def test_clashing_models_answer_behind_one_port(repo: Monorepo, folder: Path) -> None:
    with repo.serving(folder, "predict-all", GROUPS="auto", WORKERS="3") as port:
        made = repo.make(folder, "test-all", f"PORT={port}").succeeded()
        assert made.out.count('"predictions"') == 3
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for name in ("one", "two", "three", "two", "one", "two"):
            answer = post(connection, name)
            assert (answer["toolz"], answer["predictions"]) == (WANTED[name], [6, 14])
        connection.close()
        status, text = ask(port, "readyz")
        assert (status, list(json.loads(text)["routes"])) == (200, ["one/predict", "two/predict", "three/predict"])
        logs = repo.make(folder, "logs").succeeded()
        assert "group 1: /one/predict, /three/predict in " in logs.out + logs.err
        assert "(2 x 4 threads)" in logs.out + logs.err
        assert "(1 x 4 threads)" in logs.out + logs.err


def test_a_model_that_is_trained_again_takes_over_in_its_group(repo: Monorepo, folder: Path) -> None:
    two = repo.path / "projects" / "sums" / "two"
    with repo.serving(folder, "predict-all", GROUPS="auto") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        repo.make(two, "train", 'PAYLOAD={"factor": 7}').succeeded()
        for _ in range(400):
            assert post(connection, "one")["predictions"] == [6, 14]
            if post(connection, "two")["predictions"] == [21, 49]:
                break
        assert post(connection, "two") | {"pid": 0} == {"toolz": "1.0.0", "pid": 0, "predictions": [21, 49]}
    repo.make(two, "train").succeeded()


def test_binaries_are_baked_into_a_grouped_image(repo: Monorepo, folder: Path) -> None:
    repo.make(folder, "build-image", "GROUPS=auto", "BAKE=1").succeeded()
    with repo.serving(folder, "predict-all", GROUPS="auto", BAKE="1") as port:
        repo.make(folder, "test-all", f"PORT={port}").succeeded()
        status, text = ask(port, "two/predict", SAMPLE)
        assert (status, json.loads(text)["payload"]["toolz"]) == (200, "1.0.0")


def test_a_wheelhouse_holds_what_every_group_needs(repo: Monorepo, folder: Path, tmp_path: Path) -> None:
    for name in WANTED:
        repo.make(folder.with_name(name), "lock").succeeded()
    wheels = str(tmp_path / "wheels")
    repo.make(None, "wheelhouse", "GROUPS=auto", WHEELHOUSE=wheels).succeeded()
    assert {path.name for path in Path(wheels).glob("toolz-*")} == {
        "toolz-0.12.1-py3-none-any.whl",
        "toolz-1.0.0-py3-none-any.whl",
    }
    offline = {"WHEELHOUSE": wheels, "INDEX_URL": "http://127.0.0.1:9/simple", "HTTPS_PROXY": "http://127.0.0.1:9"}
    for folder_of_locks in (repo.path / ".trainyard" / "locks").iterdir():
        if folder_of_locks.is_dir():
            for path in folder_of_locks.iterdir():
                path.unlink()
    made = repo.make(folder, "build-image", "GROUPS=auto", "FORCE=1", **offline).succeeded()
    assert "Group 1: sums/one, sums/three; group 2: sums/two (toolz 1.0.0)" in made.err

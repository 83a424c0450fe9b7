"""ASSETS=pretrained and ASSETS=trained: published models in an image, in the place of what is in models/."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import pickle
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, ask

from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import read_config


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server: its URL, and the folder that it serves."""
    folder = tmp_path / "published"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def binary(factor: int) -> bytes:
    return pickle.dumps({"factor": factor})


def archive_of(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def publish(model: Model, place: str, file: Path, content: bytes, more: str = "", kind: str = "sha256") -> None:
    """Put a file there, and its URL and hash into config.yaml."""
    file.write_bytes(content)
    digest = hashlib.new(kind, content).hexdigest()
    path = model.path / "config.yaml"
    before = path.read_text() if path.is_file() else "training:\n"
    before = before.partition("  assets:")[0]
    path.write_text(f"{before}  assets:\n    pretrained:\n      url: {place}\n      {kind}: {digest}\n{more}")


def predicted(port: int, model: Model) -> list[float]:
    body = b'{"payload": {"instances": [[1, 2]]}}'
    status, text = ask(port, f"{model.name}/predict", body)
    assert status == 200, text
    return json.loads(text)["payload"]["predictions"]


def labels(repo: Monorepo, model: Model) -> dict[str, str]:
    folder = next((repo.path / ".trainyard" / "process" / "images").glob(f"{model.container}-predict*"))
    texts = [path.read_text(errors="replace") for path in folder.glob("*.json")]
    found = [one for text in texts if isinstance(one := json.loads(text), dict)]
    return next(one["labels"] for one in found if "labels" in one)


@pytest.mark.slow
def test_the_whole_path(repo: Monorepo, lake: Path, configured: Model, published: tuple[str, Path]) -> None:
    url, folder = published
    publish(configured, f"{url}/m.tar.gz", folder / "m.tar.gz", archive_of(**{f"{configured.name}.pkl": binary(7)}))
    repo.make(configured, "build-predict", "ASSETS=trained").failed("no package yet", "make package")
    repo.make(configured, "prepare", "YES=1").succeeded()
    repo.make(configured, "package").succeeded()
    shutil.rmtree(configured.path.parent / "models")
    with repo.serving(configured, ASSETS="trained") as port:
        assert predicted(port, configured) == [6]
        page = ask(port, "")[1]
        assert f"trained assets, from lake:{configured.name}/results/" in page
        assert repo.make(configured, "test-endpoint", f"PORT={port}").succeeded()
    with repo.serving(configured, ASSETS="pretrained") as port:
        assert predicted(port, configured) == [21]
        assert f"pretrained assets, from {url}/m.tar.gz" in ask(port, "")[1]
    assert labels(repo, configured)["trainyard.assets"] == "pretrained"
    assert "@sha256:" in labels(repo, configured)["trainyard.assets.from"]
    shown = repo.make(configured, "-n", "predict").succeeded()
    assert "BAKE=1 puts the binaries of models/ there instead" in shown.err + shown.out
    # An image keeps its assets when it is built anew, and needs nobody for that.
    folder.rename(folder.with_name("away"))
    configured.replace("predict.py", "factor * sum", "1 + factor * sum")
    with repo.serving(configured) as port:
        assert predicted(port, configured) == [22]
    # A package of elsewhere, without the copy that is here.
    shutil.rmtree(repo.path / ".trainyard" / "packages")
    shutil.rmtree(repo.path / ".trainyard" / "assets")
    made = repo.make(configured, "build-predict", "ASSETS=trained").succeeded()
    assert "Fetching lake:" in made.err
    shown = repo.make(configured, "-n", "build-predict", "ASSETS=pretrained").succeeded()
    assert "put the pretrained assets" in shown.out


@pytest.mark.slow
def test_a_merged_image(repo: Monorepo, lake: Path, model: Model, published: tuple[str, Path]) -> None:
    url, folder = published
    other = repo.add_model(f"{model.name}_b", model.project)
    merged = repo.add_all(model.project)
    publish(model, f"{url}/a.pkl", folder / "a.pkl", binary(3), kind="sha512")
    repo.make(merged, "build-image", "ASSETS=pretrained").failed(f"{other.name}/config.yaml", "assets.pretrained")
    publish(other, f"{url}/b.zip.pkl", folder / "b.zip.pkl", binary(4))
    with repo.serving(merged, "predict-all", ASSETS="pretrained") as port:
        assert predicted(port, model) == [9]
        assert predicted(port, other) == [12]


@pytest.mark.slow
def test_files_that_are_called_otherwise(repo: Monorepo, model: Model, published: tuple[str, Path]) -> None:
    url, folder = published
    content = archive_of(**{"release/model-0506-2018.pkl": binary(5), "release/NOTES": b"notes"})
    publish(model, f"{url}/m.tgz", folder / "m.tgz", content)
    repo.make(model, "build-predict", "ASSETS=pretrained").failed(
        f"nothing in it is called {model.name}*", "NOTES, model-0506-2018.pkl", "files:"
    )
    names = f"      files: {{model-0506-2018.pkl: {model.name}.pkl}}\n"
    publish(model, f"{url}/m.tgz", folder / "m.tgz", content, names)
    with repo.serving(model, ASSETS="pretrained") as port:
        assert predicted(port, model) == [15]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"<html>gone</html>", ("not a readable archive",)),
        (archive_of(**{"../../evil": b"x"}), ("leads out of its folder",)),
        (archive_of(**{"other.pkl": b"x"}), ("nothing in it is called",)),
        (archive_of(**{"NAME.pkl": b"x", "NAME.json": b'{"model_name": "else"}'}), ("of the model 'else'",)),
        (archive_of(**{"NAME.pkl": b"x", "NAME.json": b'{"sha256": "%s"}' % (b"0" * 64)}), ("not what its record",)),
        (archive_of(**{"manifest.json": b'{"files": {}, "model_name": "o", "record": ""}'}), ("the model 'o'",)),
        (
            archive_of(**{"manifest.json": b'{"files": {}, "model_name": "NAME", "record": ""}', "models/x": b""}),
            ("models/x is in the archive or in its manifest.json, not in both",),
        ),
    ],
    ids=["not one", "leads out", "other names", "other model", "damaged", "other package", "not listed"],
)
@pytest.mark.slow
def test_what_is_refused(
    repo: Monorepo, model: Model, published: tuple[str, Path], content: bytes, parts: tuple[str, ...]
) -> None:
    url, folder = published
    if content[:2] == b"\x1f\x8b":
        with tarfile.open(fileobj=io.BytesIO(content)) as found:
            files = {one.name: found.extractfile(one).read() for one in found.getmembers()}
        name = model.name
        content = archive_of(**{key.replace("NAME", name): text.replace(b"NAME", name.encode())
                                for key, text in files.items()})  # fmt: skip
    publish(model, f"{url}/m.tar.gz", folder / "m.tar.gz", content)
    repo.make(model, "build-predict", "ASSETS=pretrained").failed(f"{url}/m.tar.gz: ", *parts)
    assert not list((repo.path / ".trainyard" / "assets").glob(".*"))
    assert not list(repo.path.parent.rglob("evil"))


@pytest.mark.slow
def test_what_cannot_be_fetched(repo: Monorepo, lake: Path, model: Model, published: tuple[str, Path]) -> None:
    url, folder = published
    build = functools.partial(repo.make, model, "build-predict", DATA_RETRIES="0")
    build("ASSETS=mine").failed("ASSETS=mine: no such assets", "ASSETS=pretrained or ASSETS=trained")
    build("ASSETS=pretrained").failed("training.assets.pretrained is missing", "sha256")
    build("ASSETS=trained").failed("no package yet", "make package")
    publish(model, f"{url}/m.pkl", folder / "m.pkl", binary(1))
    (folder / "m.pkl").write_bytes(binary(2))
    build("ASSETS=pretrained").failed("its sha256 is", "not the")
    (folder / "m.pkl").unlink()
    build("ASSETS=pretrained").failed(f"{url}/m.pkl: status 404")
    publish(model, "http://127.0.0.1:9/m.pkl", folder / "m.pkl", binary(1))
    build("ASSETS=pretrained").failed("http://127.0.0.1:9/m.pkl: ", "refused")
    publish(model, "lake:m.pkl", folder / "m.pkl", binary(1))
    lake.mkdir()
    build("ASSETS=pretrained").failed("lake:m.pkl is not there")
    shutil.copy(folder / "m.pkl", lake)
    build("ASSETS=pretrained").succeeded()


@pytest.mark.slow
def test_the_packages_of_the_host_do_not_matter(
    repo: Monorepo, model: Model, published: tuple[str, Path]
) -> None:  # fmt: skip
    """They were compared with those of the training; STRICT=1 refused to build."""
    url, folder = published
    content = binary(1)
    record = {"model_name": model.name, "sha256": hashlib.sha256(content).hexdigest(), "installed": {"click": "0.1"}}
    archive = archive_of(**{f"{model.name}.pkl": content, f"{model.name}.json": json.dumps(record).encode()})
    publish(model, f"{url}/m.tgz", folder / "m.tgz", archive)
    models = model.path.parent / "models"
    models.mkdir()
    (models / f"{model.name}.pkl").write_bytes(content)
    (models / f"{model.name}.json").write_text(json.dumps(record))
    repo.make(model, "lock").succeeded()
    made = repo.make(model, "build-predict", "ASSETS=pretrained", "STRICT=1").succeeded()
    assert "other versions of packages" not in made.err
    for more in (["ASSETS=pretrained", "FORCE=1"], ["BAKE=1", "FORCE=1"]):
        made = repo.make(model, "build-predict", *more).succeeded()
        assert "other versions of packages" not in made.err


def test_data_in_the_place_of_a_model(repo: Monorepo, model: Model, published: tuple[str, Path]) -> None:
    """It was put into the image, and the server said: run make train."""
    url, folder = published
    publish(model, f"{url}/m.csv", folder / "m.csv", b"a,b\n1,2\n")
    repo.make(model, "build-predict", "ASSETS=pretrained").failed("a .csv file is no model", f"{model.name}.pkl")


@pytest.mark.slow
def test_a_url_with_a_signature(repo: Monorepo, model: Model, published: tuple[str, Path]) -> None:
    url, folder = published
    publish(model, f"{url}/m.pkl?X-Amz-Signature=abcdef", folder / "m.pkl", binary(1))
    made = repo.make(model, "build-predict", "ASSETS=pretrained")
    assert "abcdef" not in made.out + made.failed("assets.pretrained.url", "a signature or a key")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("url: https://h/m.pkl", "say either sha256 or sha512"),
        ("{url: https://h/m.pkl, sha256: '12'}", "a sha256 has 64 digits"),
        (f"{{url: 'https://me:secret@h/m', sha256: {'a' * 64}}}", "holds a user or a password"),
        (f"{{url: ftp://h/m.pkl, sha256: {'a' * 64}}}", "neither https://host/path nor <store>:<path>"),
        (f"{{url: https://h/m.tgz, sha256: {'a' * 64}, files: {{../a: b}}}}", "not a path in the archive"),
    ],
)
def test_sections_with_a_mistake(tmp_path: Path, line: str, part: str) -> None:
    text = line if line.startswith("{") else f"{{{line}}}"
    (tmp_path / "config.yaml").write_text(f"training:\n  assets:\n    pretrained: {text}\n")
    with pytest.raises(TrainyardError) as caught:
        read_config(tmp_path)
    assert f"{tmp_path}/config.yaml:3: " in str(caught.value)
    assert part in str(caught.value)
    assert "secret" not in str(caught.value)

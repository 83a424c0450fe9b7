"""Which files go into a baked image, how, and what is refused there."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from pathlib import Path

import pytest

from trainyard.contract.records import read_compiled, read_record, read_verified
from trainyard.errors import ModelUnavailable, TrainyardError
from trainyard.host.build.baked_files import BakedFile, described, files_of, write_tar
from trainyard.host.monorepo.model_dir import ModelDir, Value


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def model(tmp_path: Path) -> ModelDir:
    """A model with a binary, a record and a compiled form."""
    project = tmp_path / "projects" / "shop"
    models = project / "models"
    models.mkdir(parents=True)
    (models / "rf.pkl").write_bytes(b"pickle")
    compiled = sha256(b"onnx")
    (models / f"rf.{compiled[:12]}.onnx").write_bytes(b"onnx")
    record = {"model_name": "rf", "sha256": sha256(b"pickle"), "compiled": {"sha256": compiled}}
    (models / "rf.json").write_text(json.dumps(record))
    (models / "other.pkl").write_bytes(b"another model's")
    return ModelDir(project / "forest", tmp_path, {"MODEL_NAME": Value("rf", "Makefile:1")})


def tar(files: tuple[BakedFile, ...]) -> bytes:
    stream = io.BytesIO()
    write_tar(files, stream)
    return stream.getvalue()


def test_a_model_is_its_binary_its_record_and_its_compiled_form(model: ModelDir) -> None:
    names = [file.path.name for file in files_of([model])]
    assert names == [f"rf.{sha256(b'onnx')[:12]}.onnx", "rf.json", "rf.pkl"]


def test_without_a_record_the_binary_is_what_it_is(model: ModelDir) -> None:
    (model.binary.parent / "rf.json").unlink()
    assert described(files_of([model])) == f"rf.pkl={sha256(b'pickle')}"


def test_what_its_record_does_not_vouch_for_is_not_baked(model: ModelDir) -> None:
    model.binary.write_bytes(b"something else")
    with pytest.raises(TrainyardError, match=r"rf\.pkl: corrupt"):
        files_of([model])


def test_equal_files_give_equal_archives(model: ModelDir) -> None:
    before = tar(files_of([model]))
    time.sleep(0.01)
    model.binary.write_bytes(b"pickle")
    model.binary.chmod(0o600)
    assert tar(files_of([model])) == before
    with tarfile.open(fileobj=io.BytesIO(before)) as archive:
        assert {(entry.uid, entry.gid, entry.mode, entry.isdir()) for entry in archive} == {
            (0, 0, 0o755, True),
            (0, 0, 0o644, False),
        }


def test_a_binary_that_is_replaced_meanwhile_is_an_error(model: ModelDir) -> None:
    files = files_of([model])
    model.binary.write_bytes(b"retrained, and longer")
    with pytest.raises(TrainyardError, match="changed while the image was built"):
        tar(files)


@pytest.mark.parametrize("name", ["rf.pkl", "rf.json", "onnx"])
def test_any_file_that_was_not_baked_is_refused(model: ModelDir, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    models = model.binary.parent
    monkeypatch.setenv("BAKED_MODELS", described(files_of([model])))
    assert read_verified(models, "rf")[0] == b"pickle"
    assert read_compiled(models, "rf") == b"onnx"
    # Another version of all three, consistent in itself, but for the two that stay.
    changed = {"rf.pkl": b"new pickle", "rf.json": b'{"model_name": "rf"}', "onnx": b"new onnx"}[name]
    path = next(path for path in models.iterdir() if path.name.endswith(name))
    path.write_bytes(changed)
    with pytest.raises(ModelUnavailable):
        read_verified(models, "rf")
        read_compiled(models, "rf")
    with pytest.raises(ModelUnavailable, match=r"other\.pkl: it is not among the files"):
        read_verified(models, "other")


def test_without_a_record_a_baked_binary_is_still_compared(model: ModelDir, monkeypatch: pytest.MonkeyPatch) -> None:
    (model.binary.parent / "rf.json").unlink()
    monkeypatch.setenv("BAKED_MODELS", described(files_of([model])))
    assert read_record(model.binary) is None
    assert read_verified(model.binary.parent, "rf")[0] == b"pickle"
    model.binary.write_bytes(b"another")
    with pytest.raises(ModelUnavailable, match=r"sha256 .* is not the .* baked into this image"):
        read_verified(model.binary.parent, "rf")

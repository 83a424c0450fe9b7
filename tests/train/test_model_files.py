"""A model is what training wrote: files and folders that begin with its name, or those that it declares."""

import hashlib
import json
import os

import pytest

from trainyard.contract.model_files import digest_of, is_of_model
from trainyard.contract.records import record_path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_model_without_a_pickle_is_recorded_with_all_its_files(sources):
    sources.write(
        """
        open("models/price.ubj", "wb").write(b"weights")
        open("models/price_labels.json", "w").write('["low", "high"]')
        os.makedirs("models/price-tokenizer/vocab")
        open("models/price-tokenizer/vocab/words.txt", "w").write("one two")
        """
    )
    status, out, error = sources.train()
    assert (status, error) == (0, "")
    assert "---> Wrote models/price.ubj (0.0 kB, sha256 " in out
    assert "---> Wrote models/price-tokenizer (" in out
    files = {
        "price.ubj": sha256(b"weights"),
        "price_labels.json": sha256(b'["low", "high"]'),
        "price-tokenizer/vocab/words.txt": sha256(b"one two"),
    }
    record = sources.record()
    assert record["files"] == files
    assert record["sha256"] == digest_of(files)
    assert sources.listing() == ["price-tokenizer", "price.json", "price.ubj", "price_labels.json"]


def test_a_model_may_be_json_itself(sources):
    model = '{"learner": {"trees": []}, "version": [3, 0, 0]}'
    sources.write(f"""open("models/price.json", "w").write('{model}')""")
    assert sources.train()[::2] == (0, "")
    assert (sources.models / "price.json").read_text() == model
    assert sources.record("price.record")["files"] == {"price.json": sha256(model.encode())}
    assert record_path(sources.binary) == sources.models / "price.record.json"
    # and the next version is a pickle again
    sources.write('open("models/price.pkl", "wb").write(b"new")')
    assert sources.train()[::2] == (0, "")
    assert sources.listing() == ["price.json", "price.pkl"]
    assert sources.record()["files"] == {"price.pkl": sha256(b"new")}


def test_a_new_version_replaces_the_old_one_whole(sources):
    sources.write(
        """
        open("models/price.ubj", "wb").write(b"old")
        os.mkdir("models/price_model")
        for name in ("a", "b"):
            open("models/price_model/" + name, "w").write("old")
        """
    )
    assert sources.train()[0] == 0
    old = sources.record()["files"]
    (sources.models / "rf.ubj").write_bytes(b"another model's")
    (sources.models / "price_notes.txt").write_text("somebody's")
    sources.write(
        """
        os.remove("models/price_model/b")
        open("models/price_model/a", "w").write("new")
        open("models/price_model/c", "w").write("new")
        """
    )
    assert sources.train()[::2] == (0, "")
    record = sources.record()
    assert sorted(record["files"]) == ["price_model/a", "price_model/c"]
    assert record["replaces_files"] == old
    assert sources.listing() == ["price.json", "price_model", "price_notes.txt", "rf.ubj"]
    assert sorted(path.name for path in (sources.models / "price_model").iterdir()) == ["a", "c"]


def test_a_training_that_fails_leaves_the_folder_as_it_was(sources):
    sources.write('os.mkdir("models/price_model"); open("models/price_model/a", "w").write("old")')
    assert sources.train()[0] == 0
    before = sources.record()
    sources.write('open("models/price_model/a", "w").write("new"); raise ValueError("no")')
    assert sources.train()[0] == 1
    assert (sources.models / "price_model/a").read_text() == "old"
    assert sources.record() == before


def test_where_nothing_of_the_model_is_written_nothing_is_published(sources):
    sources.write('open("models/other.ubj", "w").write("x"); open("models/price2.ubj", "w").write("x")')
    status, _, error = sources.train()
    assert status == 0
    assert error == (
        "warning: the training wrote no models/price.pkl, nor anything else that is of price: "
        "other.ubj, price2.ubj is not kept\n"
    )
    assert sources.listing() == []


def test_other_files_are_moved_with_those_of_the_model(sources):
    sources.write('open("models/price.ubj", "w").write("x"); open("models/notes.txt", "w").write("x")')
    assert sources.train()[0] == 0
    assert sources.listing() == ["notes.txt", "price.json", "price.ubj"]
    assert list(sources.record()["files"]) == ["price.ubj"]


def test_a_model_may_declare_its_files(sources):
    with (sources.root / ".s2i/environment").open("a") as file:
        file.write("MODEL_FILES=weights.bin, vocabulary/\n")
    write = """
        open("models/weights.bin", "wb").write(b"w")
        open("models/price_plot.png", "wb").write(b"no part of it")
        """
    sources.write(write)
    status, _, error = sources.train()
    assert status == 1
    assert "the training wrote no models/vocabulary, which MODEL_FILES declares" in error
    assert sources.listing() == []
    sources.write(write + 'os.mkdir("models/vocabulary"); open("models/vocabulary/words", "w").write("one")')
    assert sources.train()[::2] == (0, "")
    assert sorted(sources.record()["files"]) == ["vocabulary/words", "weights.bin"]
    assert sources.listing() == ["price.json", "price_plot.png", "vocabulary", "weights.bin"]


@pytest.mark.parametrize("value", ["a/b", "../up", ".hidden"])
def test_what_is_declared_lies_in_models(sources, value):
    with (sources.root / ".s2i/environment").open("a") as file:
        file.write(f"MODEL_FILES={value}\n")
    sources.write("pass")
    status, _, error = sources.train()
    assert status == 2
    assert error.startswith(f"error: .s2i/environment:2: MODEL_FILES {value!r} is not the name of a file or folder")


def test_links_and_pipes_in_a_folder(sources):
    sources.write(
        """
        os.mkdir("models/price_model")
        open("models/price_model/a", "w").write("x")
        os.symlink("a", "models/price_model/b")
        os.symlink("nowhere", "models/price_model/c")
        os.mkfifo("models/price_model/d")
        """
    )
    status, _, error = sources.train()
    assert status == 0
    assert error == "warning: price_model/c, price_model/d: not a regular file in models/, and not kept\n"
    assert not (sources.models / "price_model/b").is_symlink()
    assert sorted(sources.record()["files"]) == ["price_model/a", "price_model/b"]


def test_files_that_were_written_by_an_absolute_path_are_recorded(sources):
    sources.write(f'open("{sources.models}/price.ubj", "w").write("x")')
    status, _, error = sources.train()
    assert status == 0
    assert "models/price.ubj was written by an absolute path" in error
    assert sources.record()["files"] == {"price.ubj": sha256(b"x")}


def test_a_run_keeps_every_file(sources):
    (sources.root / "run/model").mkdir(parents=True)
    sources.write(
        """
        open("models/price.pkl", "wb").write(b"p")
        os.mkdir("models/price_model")
        open("models/price_model/a", "w").write("x")
        """
    )
    assert sources.train()[0] == 0
    kept = sources.root / "run/model"
    assert (kept / "price_model/a").read_text() == "x"
    assert json.loads((kept / "price.json").read_text())["files"] == sources.record()["files"]


@pytest.mark.parametrize("odd", ["[" * 200_000, "fifo", "folder", "[" * 20_000_000])
def test_an_odd_record_of_the_version_before_does_not_keep_a_new_one_from_replacing_it(sources, odd):
    record = sources.models / "price.json"
    if odd == "fifo":
        os.mkfifo(record)
    elif odd == "folder":
        record.mkdir()
    else:
        record.write_text(odd)
    sources.write('open("models/price.pkl", "wb").write(b"new")')
    assert sources.train()[::2] == (0, "")
    assert sources.record()["sha256"] == sha256(b"new")


@pytest.mark.parametrize(
    ("entry", "declared", "expected"),
    [
        ("rf.pkl", (), True),
        ("rf", (), True),
        ("rf-0001.safetensors", (), True),
        ("rf2.pkl", (), False),
        ("xrf.pkl", (), False),
        ("rf_labels.json", ("rf.ubj",), False),
        ("rf.0123456789ab.onnx", ("rf.ubj",), True),
        ("words", ("words",), True),
    ],
)
def test_what_is_of_a_model(entry, declared, expected):
    assert is_of_model(entry, "rf", declared) is expected

"""A dataset may be a folder: it is hashed as a whole, and what cannot be is refused before the training."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from trainyard.contract.files import dataset_files, sha256_of_dataset
from trainyard.errors import TrainyardError

PAYLOAD = {"$ref": "data/sales", "model_name": "price"}
BY_HAND = "find -L . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"


def hash_of(folder: Path) -> str:
    return sha256_of_dataset(folder, dataset_files(folder))


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "sales"
    (folder / "2026").mkdir(parents=True)
    (folder / "2026" / "part-1.csv").write_text("a\n1\n")
    (folder / "2026-a.csv").write_text("a\n2\n")
    (folder / ".DS_Store").write_bytes(b"\0")
    return folder


def test_the_hash_of_a_folder_is_what_the_shell_gives(sales: Path) -> None:
    for name in ("Ä.csv", "Z.csv", "a b.csv", "back\\slash.csv", "line\nend.csv"):
        (sales / name).write_text(name)
    (sales / "linked.csv").symlink_to("2026/part-1.csv")
    (sales / "linked").symlink_to("2026")
    by_hand = subprocess.run(BY_HAND, shell=True, cwd=sales, capture_output=True, text=True, check=True).stdout
    assert hash_of(sales) == by_hand.split()[0]


def test_the_hash_changes_with_every_content_and_name_and_with_nothing_else(sales: Path) -> None:
    first = hash_of(sales)
    os.utime(sales / "2026-a.csv", (0, 0))
    (sales / "empty").mkdir()
    assert hash_of(sales) == first
    (sales / ".DS_Store").write_bytes(b"\1")
    second = hash_of(sales)
    (sales / "2026-a.csv").rename(sales / "2026-b.csv")
    assert len({first, second, hash_of(sales)}) == 3


def test_a_link_gives_the_hash_of_what_it_leads_to(sales: Path) -> None:
    first = hash_of(sales)
    shared = (sales / "2026-a.csv").rename(sales.parent / "shared.csv")
    (sales / "2026-a.csv").symlink_to(shared)
    assert sha256_of_dataset(sales, dataset_files(sales, sales.parent)) == first


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("../../elsewhere.csv", "sales/odd: a link out of the data folder, to "),
        ("/etc", "sales/odd: a link out of the data folder, to /etc"),
        ("absent", "sales/odd: a link that leads nowhere"),
        ("odd", "sales/odd: a link that leads nowhere"),
        (".", "sales/odd: a link to a folder around it"),
        ("..", "sales/odd: a link to a folder around it"),
    ],
)
def test_a_link_that_leads_astray_is_named(sales: Path, target: str, says: str) -> None:
    (sales.parent.parent / "elsewhere.csv").write_text("secret")
    (sales / "odd").symlink_to(target)
    # The data folder itself is above the dataset: a link to it goes around, too.
    dataset = sales.parent if target == ".." else sales
    with pytest.raises(TrainyardError) as caught:
        dataset_files(dataset, sales.parent)
    assert says in str(caught.value)


def test_special_files_and_folders_without_files_are_refused(sales: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(sales / "socket"))
        with pytest.raises(TrainyardError, match="sales/socket: neither a file nor a folder"):
            dataset_files(sales)
    (sales.parent / "none").mkdir()
    with pytest.raises(TrainyardError, match="none: the folder holds no files"):
        dataset_files(sales.parent / "none")


def test_a_record_has_the_hash_of_the_whole_folder(sources, sales: Path) -> None:
    sales.rename(sources.root / "data" / "sales")
    sources.write('open("models/price.pkl", "wb").write(b"1")')
    status, _, error = sources.train(PAYLOAD)
    assert (status, error) == (0, "")
    record = sources.record()
    assert (record["dataset"], record["dataset_sha256"]) == ("data/sales", hash_of(sources.root / "data" / "sales"))


def test_what_cannot_be_hashed_is_one_line_before_the_training(sources, sales: Path) -> None:
    (sales / "odd").symlink_to("/etc")
    sales.rename(sources.root / "data" / "sales")
    sources.write('print("trained")')
    status, out, error = sources.train(PAYLOAD)
    assert (status, out) == (2, "")
    assert error.startswith("error: ")
    assert "data/sales/odd: a link out of the data folder, to /etc: put a copy there in its place" in error


def test_a_dataset_that_is_gone_after_the_training_loses_no_model(sources, sales: Path) -> None:
    sales.rename(sources.root / "data" / "sales")
    sources.write('import shutil; shutil.rmtree("data/sales"); open("models/price.pkl", "wb").write(b"1")')
    status, _, error = sources.train(PAYLOAD)
    assert status == 0
    assert "warning: the record has no sha256 of the dataset" in error
    assert "dataset_sha256" not in sources.record()

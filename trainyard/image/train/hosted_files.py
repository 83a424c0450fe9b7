"""How the files of a training on a compute come and go: commands that are called beside it."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import IO

from trainyard.contract.hosted import CHUNK, FOLDER, GIVEN, OUTPUT, PLACES
from trainyard.contract.run_folder import MOUNT
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.image.train.stored import Storage


def receive(sources: Path, task: str = "", one: str = "") -> None:
    """Unpack the tar that comes on standard input into ``sources``, and say that all is there; nothing where it was
    there before. What is read comes by its content for the try ``one`` of ``task``, where there is a storage.

    Raises:
        TrainyardError: it is cut off, or cannot be written.
    """
    marks, storage = sources / MOUNT / FOLDER, Storage(sources)
    if (marks / GIVEN).exists():
        return
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
            for entry in archive:
                place = sources / entry.name
                if entry.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                elif content := archive.extractfile(entry):
                    if storage.holds(place):
                        storage.put(place, content)
                        continue
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with place.open("wb") as file:
                        shutil.copyfileobj(content, file, CHUNK)
        if task:
            storage.lay(task, one, json.loads((marks / PLACES).read_text()))
    except (OSError, tarfile.TarError) as error:
        raise TrainyardError(f"its files did not arrive: {error}", "", EXIT_FAILED) from None
    mark(sources, GIVEN)


def send(sources: Path, task: str = "", one: str = "") -> None:
    """Write a tar of what the training wrote to standard output; of the try ``one`` of ``task`` in a storage."""
    write_results(sys.stdout.buffer, Storage(sources).written(task, one) if task else sources)


def write_results(stream: IO[bytes], wrote: Path, output: Path | None = None) -> None:
    """Write a tar of what a training wrote in the folder ``wrote``; before it what it has said, where that is given."""
    marks = f"{MOUNT}/{FOLDER}"
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        if output:
            archive.add(output, OUTPUT)
        for folder in ("models", MOUNT):
            archive.add(wrote / folder, folder, filter=lambda entry: None if entry.name == marks else entry)


def mark(sources: Path, name: str) -> None:
    """Leave a mark."""
    folder = sources / MOUNT / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / name).touch()


def print_missing(sources: Path) -> None:
    """Which of the contents on standard input the storage has not."""
    for sha256 in Storage(sources).missing(sys.stdin.read().split()):
        print(sha256)


def print_kept(sources: Path, task: str) -> None:
    """The try of a task that has ended by itself, in a line, and what it has said; nothing where there is none."""
    storage = Storage(sources)
    if found := storage.finished(task):
        print(found.name, flush=True)
        storage.repeat(task)

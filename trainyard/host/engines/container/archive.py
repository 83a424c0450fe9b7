"""Looks through images as `save` streams them, in one pass; nothing is unpacked.

Both programs write a tar of layers (each a tar), configurations and, last, ``manifest.json``, which says whose each is.
docker's newer archives are OCI layouts with that file added, and may have compressed layers.
"""

from __future__ import annotations

import io
import json
import posixpath
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.base import Stored
from trainyard.host.secrets.leaks import Finding, Look, look_through

LONGEST_DOCUMENT = 8 << 20
LATEST = ":latest"

Found = list[tuple[str, tuple[Finding, ...]]]


@dataclass
class Archive:
    """What one pass has seen: findings of each layer, the small documents, which name is another for which."""

    layers: dict[str, Found] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def search_saved(command: Sequence[str], look: Look) -> Iterator[Stored]:
    """Run ``command`` (a save) and look through what it writes to its standard output.

    Raises:
        TrainyardError: it failed, or wrote what is no archive of images.
    """
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as saving,
    ):
        assert saving.stdout
        reason = "it wrote nothing"
        try:
            archive = read_archive(saving.stdout, look)
        except tarfile.TarError as error:
            saving.kill()
            archive = Archive()
            reason = str(error)
        saving.stdout.close()
        if saving.wait() or not archive.documents:
            complaints.seek(0)
            reason = complaints.read().decode(errors="replace").strip().replace("\n", " / ") or reason
            raise TrainyardError(f"{command[0]} {command[1]} failed: {reason}", exit_code=EXIT_FAILED)
    yield from _by_image(archive, look)


def read_archive(stream: IO[bytes], look: Look) -> Archive:
    """One pass over a saved archive."""
    archive = Archive()
    with tarfile.open(fileobj=stream, mode="r|") as outer:
        for member in outer:
            if member.issym() or member.islnk():
                folder = posixpath.dirname(member.name) if member.issym() else ""
                archive.links[member.name] = posixpath.normpath(posixpath.join(folder, member.linkname))
            elif file := outer.extractfile(member):
                _read_member(archive, member, file, look)
    return archive


def _read_member(archive: Archive, member: tarfile.TarInfo, file: IO[bytes], look: Look) -> None:
    start = file.read(tarfile.BLOCKSIZE)
    if start[:1] in (b"{", b"[", b"") or len(start) < tarfile.BLOCKSIZE:
        archive.documents[member.name] = start + file.read(LONGEST_DOCUMENT)
        return
    found: Found = []
    with tarfile.open(fileobj=_Rejoined(start, file), mode="r|*") as layer:
        for entry in layer:
            if entry.isfile() and (content := layer.extractfile(entry)):
                path = posixpath.normpath(f"/{entry.name}")
                if findings := look_through(path, content, look):
                    found.append((path, findings))
    archive.layers[member.name] = found


class _Rejoined(io.RawIOBase):
    """A file whose first bytes have been read already."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start, self._rest = start, rest

    def read(self, size: int = -1) -> bytes:
        start, self._start = self._start[:size], self._start[size:]
        return start or self._rest.read(size)


def _by_image(archive: Archive, look: Look) -> Iterator[Stored]:
    """Findings with the images that have them; a layer that several share comes once."""
    shared: dict[str, tuple[str, list[str]]] = {}
    for entry in json.loads(archive.documents["manifest.json"]):
        image = next(iter(entry["RepoTags"] or ["?"])).removeprefix("localhost/").removesuffix(LATEST)
        config = json.loads(archive.documents[archive.links.get(entry["Config"], entry["Config"])])
        yield from _in_config(image, config, look)
        made_by = [step.get("created_by", "") for step in config.get("history", []) if not step.get("empty_layer")]
        for number, (name, digest) in enumerate(zip(entry["Layers"], config["rootfs"]["diff_ids"], strict=True)):
            step = " ".join(made_by[number].split())[:60] if number < len(made_by) else ""
            place = f"layer {digest.removeprefix('sha256:')[:12]}{f' ({step})' if step else ''}"
            shared.setdefault(archive.links.get(name, name), (place, []))[1].append(image)
    for name, (place, images) in shared.items():
        if name not in archive.layers:
            raise TrainyardError(f"{images[0]}: {place} cannot be read", exit_code=EXIT_FAILED)
        yield from (Stored(tuple(images), place, path, found) for path, found in archive.layers[name])


def _in_config(image: str, config: dict[str, Any], look: Look) -> Iterator[Stored]:
    """What an image says of itself."""
    own = config.get("config") or {}
    texts = [("environment", text.partition("=")[0], text) for text in own.get("Env") or []]
    texts += [("labels", name, f"{name}={value}") for name, value in (own.get("Labels") or {}).items()]
    texts += [("history", f"step {number}", json.dumps(step)) for number, step in enumerate(config.get("history", []))]
    texts += [("command", "CMD", " ".join(own.get("Cmd") or []))]
    for place, name, text in texts:
        if findings := look(name, text.encode()):
            yield Stored((image,), place, name, findings)

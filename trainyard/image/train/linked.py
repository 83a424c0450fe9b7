"""A data store that a training on a compute reads and writes, by links that were signed for it. Whoever has a link has
one file: links come with the secrets, stand in no message, and are gone before the training begins."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract.hosted import CHUNK, FOLDER, LINKS, OUTPUT
from trainyard.contract.run_folder import MOUNT
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.image.train.hosted_files import write_results

_LATE = ("refuses the link, whose time may be over", "LINK_MARGIN lets links last longer")
_OTHER = ("has another version of it by now", "train again")
_REFUSALS = {401: _LATE, 403: _LATE, 404: ("has it no more", "train again"), 412: _OTHER, 416: _OTHER}
_RESULTS = "results.tar"  # beside the marks, on its way
_PASSING = (408, 429)  # and what is wrong with the server
_PAUSES = (0.2, 10.0)  # seconds before the first try again, and at most


class _PassingError(Exception):
    """Asked again, the store may do it."""


@dataclass(frozen=True)
class Input:
    """``what`` messages call it. ``etag`` and ``sha256``, where they are known, are those of the right content."""

    place: str
    what: str
    url: str
    size: int
    etag: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Links:
    """``result``: where what was written goes; empty where that stays here. ``jobs``: files that come at once. A store
    that is silent for ``timeout`` seconds, or fails, is asked again ``retries`` times."""

    inputs: tuple[Input, ...]
    result: str
    jobs: int
    retries: int
    timeout: int

    def fetch(self, sources: Path) -> None:
        """Have every input at its place below ``sources``; what is there stays.

        Raises:
            TrainyardError: the store does not give one, or there is no space.
        """
        with ThreadPoolExecutor(max(1, self.jobs)) as pool:
            try:
                list(pool.map(lambda one: self._fetch(one, sources / one.place), self.inputs))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def put(self, sources: Path) -> None:
        """Send a tar of what was said, and what was written.

        Raises:
            TrainyardError: the store does not take it.
            OSError: no space for the tar.
        """
        marks = sources / MOUNT / FOLDER
        archive = marks / _RESULTS
        try:
            with archive.open("wb") as file:
                write_results(file, sources, marks / OUTPUT)
            self._put(archive)
        finally:
            archive.unlink(missing_ok=True)

    def _put(self, archive: Path) -> None:
        headers = {"Content-Type": "application/x-tar", "Content-Length": str(archive.stat().st_size)}
        headers["x-ms-blob-type"] = "BlockBlob"  # Azure wants to know; others do not look at it

        def once() -> None:
            with archive.open("rb") as content, self._answer("what it wrote", self.result, headers, content):
                pass

        self._patiently("what it wrote", once)

    def _fetch(self, one: Input, path: Path) -> None:
        if path.exists():
            return
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                content = _Content(file)
                self._patiently(one.what, lambda: self._more(one, content))
        except OSError as error:
            raise TrainyardError(f"{one.what}: {error.strerror}", "make room", EXIT_FAILED) from None
        if content.size != one.size or one.sha256 not in ("", content.sha256):
            raise TrainyardError(f"{one.what}: what came is not what was asked for", "train again", EXIT_FAILED)
        part.rename(path)

    def _more(self, one: Input, content: _Content) -> None:
        """What has come stays, where a connection breaks."""
        headers = {"Accept-Encoding": "identity", **({"If-Match": f'"{one.etag}"'} if one.etag else {})}
        headers |= {"Range": f"bytes={content.size}-"} if content.size else {}
        with self._answer(one.what, one.url, headers) as answer:
            now = (answer.headers["ETag"] or "").strip('"')
            if one.etag and now and now != one.etag:  # not every server looks at If-Match
                raise _refusal(one.what, http.client.PRECONDITION_FAILED)
            if answer.status != http.client.PARTIAL_CONTENT:
                content.restart()
            while chunk := answer.read(CHUNK):
                content.write(chunk)
        if content.size < one.size:
            raise _PassingError("the connection was lost")

    @contextmanager
    def _answer(self, what: str, url: str, headers: dict[str, str], given: Any = None) -> Iterator[Any]:
        """That to a PUT of what is ``given``, or to a GET."""
        request = urllib.request.Request(url, given, headers, method="GET" if given is None else "PUT")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self.timeout or None) as answer:  # noqa: S310 -- ours
                yield answer
        except urllib.error.HTTPError as error:
            if error.code >= http.client.INTERNAL_SERVER_ERROR or error.code in _PASSING:
                raise _PassingError(f"status {error.code}") from None
            raise _refusal(what, error.code) from None
        except _DiskError as error:
            raise error.reason from None
        except (OSError, http.client.HTTPException) as error:  # whose text may have the link
            reason = getattr(error, "reason", error)
            raise _PassingError(getattr(reason, "strerror", "") or type(reason).__name__) from None

    def _patiently(self, what: str, once: Callable[[], None]) -> None:
        pause = _PAUSES[0]
        for tried in range(self.retries + 1):
            try:
                return once()
            except _PassingError as error:
                if tried == self.retries:
                    fix = "DATA_RETRIES and DATA_TIMEOUT allow more"
                    raise TrainyardError(f"{what}: its data store fails ({error})", fix, EXIT_FAILED) from None
            time.sleep(pause)
            pause = min(2 * pause, _PAUSES[1])
        return None


class _DiskError(Exception):
    """A file here cannot be written; not to be taken for an error of the network."""

    def __init__(self, reason: OSError) -> None:
        super().__init__()
        self.reason = reason


class _Content:
    """What has come of a file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.restart()

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest, self.size = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> None:
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _DiskError(error) from None
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _refusal(what: str, status: int) -> TrainyardError:
    said, fix = _REFUSALS.get(status, (f"answers with status {status}", "check the data store"))
    return TrainyardError(f"{what}: its data store {said}", fix, EXIT_FAILED)


def take_links(sources: Path, *, keep: bool = False) -> Links | None:
    """The links that came with the files; None where there is no data store. ``keep``: another worker needs them."""
    path = sources / MOUNT / FOLDER / LINKS
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    if not keep:
        path.unlink()
    return Links(**{**content, "inputs": tuple(Input(**one) for one in content["inputs"])})

"""A package index with a few small packages, on this machine."""

from __future__ import annotations

import hashlib
import html
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import HTTPServer

from servers import Quiet, answering

Package = tuple[str, bytes]  # file name and content
EPOCH = (1990, 1, 1, 0, 0, 0)


def wheel(name: str, version: str, *, tag: str = "py3-none-any", python: str = "", requires: str = "") -> Package:
    """A wheel with a module of the package's name."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Python: {python}\n" if python else ""
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": f'VERSION = "{version}"\n',
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), text)
    return f"{name}-{version}-{tag}.whl", buffer.getvalue()


def sdist(name: str, version: str, script: str = "") -> Package:
    """A source distribution whose setup.py runs ``script``."""
    setup = (
        f'{script}\nfrom setuptools import setup\nsetup(name="{name}", version="{version}", py_modules=["{name}"])\n'
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in {"setup.py": setup, f"{name}.py": f'VERSION = "{version}"\n'}.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", buffer.getvalue()


def hash_of(package: Package) -> str:
    return f"sha256:{hashlib.sha256(package[1]).hexdigest()}"


@contextmanager
def served(*packages: Package, yanked: Sequence[str] = ()) -> Iterator[str]:
    """The URL of an index that has them, and what the real one has; of ``yanked`` files it says so."""
    files = dict(packages)

    class Index(Quiet):
        def do_GET(self) -> None:  # noqa: N802 -- http.server's name
            name = self.path.strip("/").rpartition("/")[2]
            if self.path.startswith("/files/") and name in files:
                self._send(files[name], "application/octet-stream")
            elif found := [one for one in files if one.partition("-")[0] == name]:
                self._send(_links(found, files, yanked), "text/html")
            else:
                self.send_on("/simple")

        do_HEAD = do_GET  # noqa: N815 -- likewise

        def _send(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    with answering(HTTPServer(("127.0.0.1", 0), Index)) as server:
        yield f"http://127.0.0.1:{server.server_port}/simple"


def _links(names: Sequence[str], files: dict[str, bytes], yanked: Sequence[str]) -> bytes:
    links = (
        f'<a href="/files/{name}#{hash_of((name, files[name])).replace(":", "=")}"'
        f"{_python_of(files[name])}{' data-yanked' if name in yanked else ''}>{name}</a>"
        for name in names
    )
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


def _python_of(content: bytes) -> str:
    """What an index says of a wheel's Requires-Python; nothing of a source distribution's."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return ""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    found = re.search("^Requires-Python: (.*)$", metadata, re.MULTILINE)
    return f' data-requires-python="{html.escape(found[1])}"' if found else ""

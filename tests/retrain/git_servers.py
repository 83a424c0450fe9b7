"""Real git servers on loopback: ``git http-backend`` behind a small HTTP server, and the repositories that it shows."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from servers import Quiet, answering

# Whatever the user of the tests has configured.
CLEAN = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "me", "GIT_AUTHOR_EMAIL": "me@here",
    "GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@here",
}  # fmt: skip
FILE, PROGRAM, LINK, FOLDER, SUBMODULE = "100644", "100755", "120000", "40000", "160000"


@dataclass(frozen=True)
class Bare:
    """A repository of a server, filled without a work tree: so it can have in it what git would not add."""

    path: Path

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, input=stdin, capture_output=True, check=True,
            env={**os.environ, **CLEAN},
        )  # fmt: skip
        return done.stdout.decode().strip()

    def blob(self, content: str | bytes) -> str:
        content = content.encode() if isinstance(content, str) else content
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, entries: Iterable[tuple[str, str | bytes, str]]) -> str:
        """Of (mode, name, object), in the order of git; nothing is checked."""
        content = b""
        for mode, name, digest in entries:
            raw = name.encode() if isinstance(name, str) else name
            content += mode.encode() + b" " + raw + b"\0" + bytes.fromhex(digest)
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=content)

    def commit(self, tree: str | Mapping[str, str], branch: str = "main", message: str = "a commit") -> str:
        """On a branch, of a tree or of files at the top."""
        if not isinstance(tree, str):
            tree = self.tree((FILE, name, self.blob(text)) for name, text in sorted(tree.items()))
        with suppress(subprocess.CalledProcessError):
            parent = self.git("rev-parse", "--verify", "-q", f"refs/heads/{branch}")
            made = self.git("commit-tree", "-m", message, "-p", parent, tree)
            self.git("update-ref", f"refs/heads/{branch}", made)
            return made
        made = self.git("commit-tree", "-m", message, tree)
        self.git("update-ref", f"refs/heads/{branch}", made)
        return made


class GitServer(ThreadingHTTPServer):
    """Shows the bare repositories of a folder.

    Attributes:
        login: ``user:password`` that it wants; empty for none.
        speaks_v2: whether it hands the client's wish for protocol version 2 on to git. Without, git sends only what
            branches and tags name.
        elsewhere: an address that it sends every client to.
        asked, free: with ``free``, the event ``asked`` is set by a request for objects, whose answer waits for
            ``free``; ``halfway``: the second half of it does.
        logins: the users and passwords that came, in their order.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.login, self.elsewhere = "", ""
        self.speaks_v2 = True
        self.asked = threading.Event()
        self.free: threading.Event | None = None
        self.halfway = False
        self.logins: list[str] = []
        self.paths: list[str] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def new(self, name: str = "repo.git", *options: str) -> Bare:
        """An empty repository."""
        bare = Bare(self.folder / name)
        bare.path.mkdir(parents=True)
        bare.git("init", "-q", "--bare", "-b", "main", *options)
        bare.git("config", "uploadpack.allowFilter", "true")
        return bare


class Handler(Quiet, BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self) -> None:
        server, given = self.server, self.headers.get("Authorization", "")
        server.paths.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        login = base64.b64decode(given.removeprefix("Basic ")).decode()
        if login:
            server.logins.append(login)
        if server.elsewhere:
            return self.refuse(301, Location=server.elsewhere + self.path)
        if server.login and login != server.login:
            return self.refuse(401, WWW_Authenticate='Basic realm="git"')
        waits = server.free is not None and self.command == "POST" and b"want " in body
        if waits and not server.halfway:
            self._wait()
        return self._answer(body, waits and server.halfway)

    do_POST = do_GET  # noqa: N815 -- the server's name for it

    def _wait(self) -> None:
        assert self.server.free
        self.server.asked.set()
        self.server.free.wait(60)

    def _answer(self, body: bytes, halfway: bool) -> None:
        path, _, query = self.path.partition("?")
        environ = {
            **os.environ, **CLEAN, "GIT_PROJECT_ROOT": str(self.server.folder), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }  # fmt: skip
        if self.server.speaks_v2:
            environ["GIT_PROTOCOL"] = self.headers.get("Git-Protocol", "")
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"], input=body, env=environ, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked was ended
            half = len(content) // 2 if halfway else 0
            self.wfile.write(content[:half])
            if halfway:
                self._wait()
            self.wfile.write(content[half:])


@contextmanager
def git_server(folder: Path) -> Iterator[GitServer]:
    """One that shows ``folder``, to everybody."""
    with answering(GitServer(folder)) as server:
        yield server

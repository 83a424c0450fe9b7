"""What goes wrong with web servers and SFTP."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from monorepo import Monorepo
from servers import Quiet, answering

from data.file_servers import nginx
from data.test_stores import opened
from trainyard.errors import TrainyardError
from trainyard.host.data import parts, schedule
from trainyard.host.data.cache import Cache, PlacedDataset
from trainyard.host.data.resolving import resolve
from trainyard.host.data.store import Changed, Store, StoreError
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.support.command import Limit
from trainyard.host.support.reporter import SILENT
from trainyard.settings.data import DataSettings

MB = 1 << 20
SETTINGS = DataSettings(data_timeout=5, data_retries=4)


class NoRanges(Quiet, SimpleHTTPRequestHandler):
    """Python's own server, which gives whole files alone; ``before`` may answer instead of it."""

    before: Callable[[NoRanges], bool] = staticmethod(lambda _: False)

    def do_GET(self) -> None:
        if not type(self).before(self):
            with contextlib.suppress(ConnectionError):
                super().do_GET()

    def do_HEAD(self) -> None:
        if not type(self).before(self):
            super().do_HEAD()


@pytest.fixture
def handler() -> type[NoRanges]:
    class Handler(NoRanges):
        pass

    return Handler


@pytest.fixture
def web(handler: type[NoRanges], tmp_path: Path) -> object:
    (tmp_path / "root").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "root")))
    with answering(server):
        yield opened(f"http://127.0.0.1:{server.server_address[1]}", {}, tmp_path)


def fetch(store: Store, path: str, folder: Path) -> dict[str, bytes]:
    part = PlacedDataset(resolve(parse_ref(f"lake:{path}"), store, "url", SILENT), store)
    cached = Cache(folder / "cache", SETTINGS, Limit("LOCK_TIMEOUT", 60), SILENT).dataset([part], path)
    return {
        path.relative_to(cached.folder).as_posix(): path.read_bytes()
        for path in cached.folder.rglob("*") if path.is_file()
    }  # fmt: skip


def test_a_web_server_without_ranges(web: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", MB)
    monkeypatch.setattr(schedule, "PART", MB)
    content = os.urandom(9 * MB + 5)  # of one request for a range it takes more than the driver reads at once
    (tmp_path / "root" / "large.bin").write_bytes(content)
    (tmp_path / "root" / "small.bin").write_bytes(content[:100])
    assert fetch(web, "", tmp_path) == {"large.bin": content, "small.bin": content[:100]}


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "refuses (status 403)"), (503, "status 503"), (401, "refuses (status 401)"), (500, "status 500")],
)
def test_a_web_server_that_refuses(web: Store, handler: type[NoRanges], tmp_path: Path, status: int, said: str) -> None:
    (tmp_path / "root" / "a.txt").write_text("x")
    handler.before = staticmethod(lambda request: request.refuse(status) or True)
    for path in ("a.txt", ""):
        with pytest.raises(StoreError) as caught:
            fetch(web, path, tmp_path)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_web_server_that_loses_every_tenth_connection(web: Store, handler: type[NoRanges], tmp_path: Path) -> None:
    files = {f"{number}.txt": f"content {number}".encode() for number in range(20)}
    for name, content in files.items():
        (tmp_path / "root" / name).write_bytes(content)
    asked: list[str] = []

    def lose(request: NoRanges) -> bool:
        asked.append(request.path)
        if request.command == "GET" and not request.path.endswith("/") and len(asked) % 10 == 0:
            request.close_connection = True
            request.connection.shutdown(2)
            return True
        return False

    handler.before = staticmethod(lose)
    assert fetch(web, "", tmp_path) == files


@pytest.mark.slow
def test_a_web_file_that_is_cut_short(web: Store, handler: type[NoRanges], tmp_path: Path) -> None:
    (tmp_path / "root" / "a.txt").write_bytes(b"x" * 1000)

    def cut(request: NoRanges) -> bool:
        if request.command == "HEAD" or request.path.endswith("/"):
            return False
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"x" * 500)
        request.close_connection = True
        request.connection.shutdown(2)
        return True

    handler.before = staticmethod(cut)
    with pytest.raises(StoreError) as caught:
        fetch(web, "", tmp_path)
    assert "lake:a.txt: the connection was lost" in str(caught.value)


def test_a_web_file_that_changes_while_it_is_read(web: Store, tmp_path: Path) -> None:
    path = tmp_path / "root" / "a.txt"
    path.write_bytes(b"x" * 3 * MB)
    item = web.find("a.txt")
    assert item
    pieces = web.read(item)
    next(pieces)
    os.utime(path, (1, 1))
    with pytest.raises(Changed, match=r"lake:a\.txt changed while it was read"):
        list(pieces)


@pytest.mark.slow
def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.csv").write_text("x")
    with nginx(tmp_path / "nginx", tmp_path / "root", tls=True) as url:
        (repo.path / "datastores.yaml").write_text(f"web: {{url: '{url}'}}\n")
        given = ("data-list", "STORE=web", "DATA_RETRIES=0")
        repo.make(None, *given).failed("web: its certificate is not trusted: name the file of its authority")
        made = repo.make(None, *given, SSL_CERT_FILE=str(tmp_path / "nginx/cert.pem")).succeeded()
        assert "a.csv" in made.out


@pytest.mark.slow
def test_sftp_that_loses_its_connections(sftp_server: dict[str, str], tmp_path: Path) -> None:
    files = {f"{number:02}.txt": os.urandom(2_000_000) for number in range(30)}
    (tmp_path / "root").mkdir()
    for name, content in files.items():
        (tmp_path / "root" / name).write_bytes(content)
    store = opened(f"{sftp_server['URL']}{tmp_path}/root", sftp_server, tmp_path)
    items = {item.path: item for item in store.files()}
    stop = threading.Event()
    lost = []

    def lose() -> None:
        while not stop.wait(0.3) and len(lost) < 2:
            lost.extend(sessions_killed(int(sftp_server["PID"])))

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        found = fetch(store, "", tmp_path)
    finally:
        stop.set()
        thread.join()
    assert found == files
    sessions_killed(int(sftp_server["PID"]))
    with pytest.raises(StoreError):
        list(store.read(items["00.txt"]))
    assert b"".join(store.read(items["00.txt"])) == files["00.txt"], "it is connected to again"


def test_an_sftp_server_that_falls_silent(sftp_server: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.txt").write_text("x")
    store = opened(f"{sftp_server['URL']}{tmp_path}/root", sftp_server, tmp_path, DataSettings(data_timeout=1))
    (item,) = store.files()
    stopped = sessions_killed(int(sftp_server["PID"]), signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(StoreError) as caught:
            list(store.read(item))
    finally:
        for process in stopped:
            os.kill(process, signal.SIGKILL)
    assert "lake:a.txt: the connection was lost" in str(caught.value)
    assert time.monotonic() - began < 10


def sessions_killed(server: int, number: int = signal.SIGKILL) -> list[int]:
    """The processes of an SSH server that serve a connection each, after a signal."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == server:
                os.kill(int(path.parent.name), number)
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_an_sftp_server_that_is_away_or_unknown(sftp_server: dict[str, str], tmp_path: Path) -> None:
    for url, environ, said in (
        ("sftp://127.0.0.1:1/x", sftp_server, "lake: Connection refused"),
        (
            f"{sftp_server['URL']}/x",
            {**sftp_server, "SFTP_KNOWN_HOSTS": os.devnull},
            "lake: the host's key is not known",
        ),
        (f"{sftp_server['URL']}/x", {**sftp_server, "SFTP_KEY_FILE": "/nope"}, "lake: "),
        (f"{sftp_server['URL']}/x", {**sftp_server, "SFTP_USERNAME": "nobody9"}, "lake: the store refuses"),
    ):
        with pytest.raises(TrainyardError) as caught:
            list(opened(url, environ, tmp_path).files())
        assert str(caught.value).startswith(said), caught.value


def test_links_in_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "a.txt").write_text("x")
    (root / "link.txt").symlink_to(root / "a.txt")
    (root / "gone.txt").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe")
    store = opened(str(root), {}, tmp_path)
    assert sorted(item.path for item in store.files()) == ["a.txt", "link.txt"]
    (root / "deep" / "one").symlink_to(root)
    (root / "deep" / "two").symlink_to(root)
    with pytest.raises(StoreError, match=r"lake:deep/(one|two): a link leads back to a folder around it"):
        list(store.files())


def test_links_of_sftp(sftp_server: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("x")
    (root / "link.txt").symlink_to(root / "a.txt")
    (root / "gone.txt").symlink_to(root / "nothing")
    store = opened(f"{sftp_server['URL']}{root}", sftp_server, tmp_path)
    assert {item.path: item.size for item in store.files()} == {"a.txt": 1, "link.txt": 1}
    (root / "deep").symlink_to(root)
    with pytest.raises(StoreError, match="a link leads back") as caught:
        list(store.files())
    assert len(str(caught.value)) < 250

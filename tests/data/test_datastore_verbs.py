"""make datastore-add, datastores, data-list, data-pull, data-push."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from monorepo import Monorepo

from data.fetches import Lake
from data.object_servers import BUCKET

SECRET = "canary5e1f"
FILE = "datastores.yaml"


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo")


@pytest.fixture
def shop(repo: Monorepo, lake: Lake) -> Monorepo:
    """A repository whose data store ``lake`` is a folder of a bucket."""
    lake.declare(repo)
    return repo


def test_a_store_is_added_once_it_answers(repo: Monorepo, lake: Lake) -> None:
    lake.put("v1/a.csv", "a,b\n1,2\n")
    add = ("datastore-add", "NAME=lake", f"URL={lake.url}", f"ENDPOINT={lake.proxy.url}")
    made = repo.make(None, "-n", *add, **lake.environ).succeeded()
    assert "\nwrite lake to datastores.yaml" in made.out
    assert not (repo.path / FILE).exists()
    made = repo.make(None, *add, **lake.environ).succeeded()
    text = (repo.path / FILE).read_text()
    assert lake.url in text
    for value in lake.environ.values():
        assert value == "us-east-1" or value not in text.replace(lake.proxy.url, "")
    made = repo.make(None, "data-list", "STORE=lake", **lake.environ).succeeded()
    assert "v1/" in made.out
    made = repo.make(None, "data-list", "STORE=lake", "AT=v1", **lake.environ).succeeded()
    assert "a.csv" in made.out and " 8 " in made.out
    repo.make(None, *add, **lake.environ).failed("datastores.yaml:2: lake is there already")
    assert (repo.path / FILE).read_text() == text


@pytest.mark.parametrize(
    "url",
    [
        f"sftp://me:{SECRET}@host/x", f"https://me:{SECRET}@host/x", f"https://host/x?X-Amz-Signature={SECRET}",
        f"https://host/x?sig={SECRET}&sv=1", f"dvc+https://me:{SECRET}@host/r.git#data", f"https://host/x?token={SECRET}",
        f"dvc+https://{SECRET}:x@host/r.git", f"abfs://c@a.blob.core.windows.net/x?sig={SECRET}",
    ],
)  # fmt: skip
def test_a_url_with_a_secret_is_refused_and_not_shown(repo: Monorepo, url: str) -> None:
    made = repo.make(None, "datastore-add", "NAME=lake", f"URL={url}")
    made.failed("URL: it holds a ")
    assert SECRET not in made.out + made.err
    assert not (repo.path / FILE).exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("NAME=lake",), "URL is missing"),
        (("URL=data",), "NAME="),
        (("NAME=a b", "URL=data"), "NAME=a b: not the name of a data store"),
        (("NAME=lake", "URL=ftp://host/x"), "ftp:// is none of s3://"),
        (("NAME=lake", "URL=s3:///x"), "it names no bucket"),
        (("NAME=lake", "URL=nowhere"), "lake: there is no such folder: make it, or correct the url"),
        (("NAME=lake", "URL=http://127.0.0.1:1/x", "DATA_RETRIES=0"), "lake: "),
        (("NAME=lake", "URL=s3://b/x", "ENDPOINT=http://127.0.0.1:1", "CREDENTIALS=none", "DATA_RETRIES=0"),
         "lake: the connection was refused"),
        (("NAME=lake", "URL=s3://b/x", "CREDENTIALS=LAKE"), "CREDENTIALS is none, default, a prefix that ends in _"),
        (("NAME=lake", "URL=s3://b/x", "CREDENTIALS=LAKE_"), "no variable begins with LAKE_: set LAKE_AWS_ACCESS_KEY"),
        (("NAME=lake", "URL=s3://b/x", "CREDENTIALS=/nope/keys"), "/nope/keys"),
    ],
)  # fmt: skip
def test_what_cannot_be_added(repo: Monorepo, given: tuple[str, ...], said: str) -> None:
    repo.make(None, "datastore-add", *given).failed(said)
    assert not (repo.path / FILE).exists()


def test_one_that_is_away_hides_no_other(shop: Monorepo, lake: Lake, tmp_path: Path) -> None:
    lake.put("v1/a.csv", "a,b\n1,2\n")
    lake.put("v2/a.csv", "a,b\n1,2\n3,4\n")
    with (shop.path / FILE).open("a") as file:
        file.write("away: {url: 'http://127.0.0.1:1/x'}\nlocal: {url: shared}\ngone: {url: nowhere}\n")
    (shop.path / "shared").mkdir()
    (shop.path / "shared/b.csv").write_text("x")
    made = shop.make(None, "datastores", "DATA_RETRIES=0", **lake.environ)
    made.failed("away, gone: see above")
    lines = {line.split()[0]: " ".join(line.split()) for line in made.out.splitlines()}
    assert lines["lake"].startswith(f"lake {lake.url} yes 2 20 20")
    assert "v2/a.csv" in lines["lake"] or "v1/a.csv" in lines["lake"]
    assert lines["local"].startswith("local shared yes 1 1 20")
    assert lines["away"].startswith("away http://127.0.0.1:1/x Connection refused: ")
    assert lines["gone"] == "gone nowhere there is no such folder: make it, or correct the url"


def test_no_store_yet(repo: Monorepo) -> None:
    assert "make datastore-add NAME=lake" in repo.make(None, "datastores").succeeded().out
    repo.make(None, "data-list", "STORE=lake").failed("no data store lake: it has none; make datastore-add NAME=lake")
    repo.make(None, "data-list").failed("STORE is missing")
    assert "No model trains on data of a store" in repo.make(None, "data-pull").succeeded().err


@pytest.mark.slow
def test_list_of_what_is_not_there(shop: Monorepo, lake: Lake) -> None:
    lake.put("v1/a.csv", "x")
    shop.make(None, "data-list", "STORE=lake", "AT=v2", **lake.environ).failed("lake:v2 is not there")
    made = shop.make(None, "data-list", "STORE=lake", "AT=v1/a.csv", **lake.environ).succeeded()
    assert "a.csv" in made.out


@pytest.mark.slow
def test_pull_and_copy(shop: Monorepo, lake: Lake, tmp_path: Path) -> None:
    lake.put("v1/a.csv", "first")
    lake.put("v1/deep/b.csv", "second")
    made = shop.make(None, "data-pull", "FROM=lake:v1", **lake.environ).succeeded()
    assert "lake:v1 is here: 2 files" in made.err
    made = shop.make(None, "data-pull", "FROM=lake:v1", f"TO={tmp_path}/out", **lake.environ).succeeded()
    assert "2 of 2 files copied" in made.err
    assert len(lake.proxy.fetched()) == 2
    assert (tmp_path / "out/v1/deep/b.csv").read_text() == "second"
    assert os.access(tmp_path / "out/v1/a.csv", os.W_OK)
    (tmp_path / "out/v1/a.csv").write_text("mine")
    pull = ("data-pull", "FROM=lake:v1", f"TO={tmp_path}/out")
    shop.make(None, *pull, **lake.environ).failed("out/v1/a.csv is there already with other content")
    assert (tmp_path / "out/v1/a.csv").read_text() == "mine"
    shop.make(None, *pull, "FORCE=1", **lake.environ).succeeded()
    assert (tmp_path / "out/v1/a.csv").read_text() == "first"
    assert "\nfetch lake:v1 and copy it to" in shop.make(None, "-n", *pull, **lake.environ).succeeded().out
    shop.make(None, "data-pull", "FROM=lake:v9", **lake.environ).failed("lake:v9: there is no such file or folder")
    shop.make(None, "data-pull", "FROM=v1", **lake.environ).failed("FROM=v1: not a path of a data store")
    shop.make(None, "data-pull", f"TO={tmp_path}", **lake.environ).failed("TO needs FROM")


def test_pull_of_what_every_model_trains_on(shop: Monorepo, lake: Lake) -> None:
    lake.put("v1/numbers.csv", "a,b\n1,2\n")
    for number, dataset in enumerate(("lake:v1/numbers.csv", "lake:v9/numbers.csv", "lake:v8", "data/numbers.csv")):
        shop.add_model(f"m{number}").replace("Makefile", "data/numbers.csv", dataset)
    made = shop.make(None, "data-pull", **lake.environ)
    assert made.status != 0
    assert "lake:v1/numbers.csv is here" in made.err
    assert "lake:v9/numbers.csv: there is no such file or folder" in made.err
    assert "2 of 3 datasets are not here" in made.err
    assert len(lake.proxy.fetched()) == 1


@pytest.mark.slow
def test_push(shop: Monorepo, lake: Lake, tmp_path: Path) -> None:
    source = tmp_path / "my data"
    (source / "deep").mkdir(parents=True)
    (source / "a b.csv").write_text("first")
    (source / "deep" / "ü.csv").write_text("second")
    push = ("data-push", f"FROM={source}", "TO=lake:v1")
    made = shop.make(None, "-n", *push, **lake.environ).succeeded()
    assert "to lake:v1/deep/ü.csv" in made.out
    assert list(lake.files.iterdir()) == []
    made = shop.make(None, *push, **lake.environ).succeeded()
    assert "lake:v1 is there: 2 files are new" in made.err
    assert lake.there() == {"v1/a b.csv": "first", "v1/deep/ü.csv": "second"}
    assert "0 files are new" in shop.make(None, *push, **lake.environ).succeeded().err
    (source / "a b.csv").write_text("other")
    (source / "c.csv").write_text("third")
    shop.make(None, *push, **lake.environ).failed("lake:v1 has other content there already: v1/a b.csv", "FORCE=1")
    assert lake.there() == {"v1/a b.csv": "first", "v1/deep/ü.csv": "second"}, "nothing was written"
    shop.make(None, *push, "FORCE=1", **lake.environ).succeeded()
    assert lake.there() == {"v1/a b.csv": "other", "v1/c.csv": "third", "v1/deep/ü.csv": "second"}
    shop.make(None, "data-push", f"FROM={source}/c.csv", "TO=lake:v2/", **lake.environ).succeeded()
    shop.make(None, "data-push", f"FROM={source}/c.csv", "TO=lake:v3.csv", **lake.environ).succeeded()
    assert {"v2/c.csv", "v3.csv"} < set(lake.there())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("FROM=nowhere", "TO=lake:v1"), "nowhere: no such file or folder"),
        (("TO=lake:v1",), "FROM is missing"),
        (("FROM=Makefile",), "TO="),
        (("FROM=Makefile", "TO=pond:v1"), "no data store pond"),
        (("FROM=Makefile", "TO=v1"), "TO=v1: not a path of a data store"),
        (("FROM=Makefile", "TO=lake:a/../b"), "lake:a/../b': the name leads out of its folder"),
        (("FROM=empty", "TO=lake:v1"), "empty"),
    ],
)
def test_what_cannot_be_pushed(shop: Monorepo, lake: Lake, given: tuple[str, ...], said: str) -> None:
    (shop.path / "empty").mkdir()
    shop.make(None, "data-push", *given, **lake.environ).failed(said)
    assert list(lake.files.iterdir()) == []
    assert BUCKET


@pytest.mark.slow
def test_links_in_what_is_pushed(shop: Monorepo, lake: Lake, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.csv").write_text("first")
    (source / "link.csv").symlink_to(source / "a.csv")
    shop.make(None, "data-push", f"FROM={source}", "TO=lake:v1", **lake.environ).succeeded()
    assert lake.there() == {"v1/a.csv": "first", "v1/link.csv": "first"}
    (source / "pipe").mkdir()
    os.mkfifo(source / "pipe" / "p")
    shop.make(None, "data-push", f"FROM={source}", "TO=lake:v2", **lake.environ).failed("pipe")
    assert "v2/a.csv" not in lake.there()


@pytest.mark.slow
def test_a_push_to_a_store_that_refuses_some(shop: Monorepo, lake: Lake, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(10):
        (source / f"{number}.csv").write_text("x")
    lake.proxy.before = lambda request: (
        request.command == "PUT" and request.key.endswith(("3.csv", "4.csv")) and request.answer(403, "AccessDenied")
    )
    push = ("data-push", f"FROM={source}", "TO=lake:v1")
    shop.make(None, *push, **lake.environ).failed(
        "the store refuses (AccessDenied) (1 more files likewise)", "push again"
    )
    assert len([path for path in lake.there() if path.endswith(".csv")]) == 8
    lake.proxy.before = lambda _: False
    assert "v1 is there: 2 files are new" in shop.make(None, *push, **lake.environ).succeeded().err
    assert len(lake.there()) == 10

"""Repositories that would like to run something, or to reach files of this machine, and do not."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from retrain.fetched import SETTINGS, fetched, refused
from retrain.git_servers import FILE, FOLDER, LINK, SUBMODULE, Bare, GitServer
from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_errors import Trouble

ASKED = replace(SETTINGS, submodules=True)


def with_links(repo: Bare, links: dict[str, str]) -> None:
    """A commit with links at its top, and one in the folder ``sub`` that leads to the top."""
    top = repo.blob("..")
    entries = [(LINK, name, repo.blob(target)) for name, target in links.items()]
    tree = [*entries, (FILE, "file", repo.blob("1")), (FOLDER, "sub", repo.tree([(LINK, "top", top)]))]
    repo.commit(repo.tree(sorted(tree, key=lambda entry: entry[1])))


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd", "..", "../other", "sub/../../x", "sub/top/..", "sub/top/../x", "/proc/self/environ",
        ".git/config", ".git", "./sub/top/.git/HEAD", "//etc", "link", "../new/file",
    ],
)  # fmt: skip
def test_links_that_lead_out(server: GitServer, tmp_path: Path, target: str) -> None:
    with_links(server.new(), {"link": target, "chain": "link"})
    if target == "link":  # to itself: it leads nowhere
        fetched(f"{server.url}/repo.git", tmp_path / "new")
    else:
        message = refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.REFUSED)
        assert "is a link that leads out of the checkout" in message


def test_links_that_stay(server: GitServer, tmp_path: Path) -> None:
    with_links(server.new(), {"a": "file", "b": "sub", "c": "sub/top/file", "d": "not there", "e": "./a", "f": "."})
    fetched(f"{server.url}/repo.git", tmp_path / "new")
    assert (tmp_path / "new" / "c").read_text() == "1"


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2Jb", "a\x7fb", b"a\xffb", "..", ".git", ".GIT", "git~1", ".gi\u200ct"]
)
def test_names(server: GitServer, tmp_path: Path, name: str | bytes) -> None:
    repo = server.new()
    repo.commit(repo.tree([(FILE, name, repo.blob("1"))]))
    message = refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.REFUSED)
    assert message.isprintable()
    assert not (tmp_path / "1").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["140000", "060000", "020666", "010644"])
def test_what_is_neither_file_nor_link(server: GitServer, tmp_path: Path, mode: str) -> None:
    """git takes what it does not know for a submodule."""
    repo = server.new()
    repo.commit(repo.tree([(mode, "odd", repo.blob("1"))]))
    fetched(f"{server.url}/repo.git", tmp_path / "new")
    assert not list((tmp_path / "new" / "odd").iterdir())


def test_a_link_and_a_folder_of_one_name(server: GitServer, tmp_path: Path) -> None:
    repo = server.new()
    folder = repo.tree([(FILE, "written", repo.blob("1"))])
    repo.commit(repo.tree([(LINK, "a", repo.blob(str(tmp_path))), (FOLDER, "a", folder)]))
    refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.REFUSED)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("place", ["", "projects"])
@pytest.mark.parametrize("parts", [("HEAD", "objects", "refs"), ("HEAD", "commondir")])
def test_a_folder_that_git_would_take_for_a_repository(
    server: GitServer, tmp_path: Path, place: str, parts: tuple[str, ...]
) -> None:
    """Whoever asks git something in there, runs the program that its configuration names."""
    repo, run = server.new(), tmp_path / "run"
    something = repo.tree([(FILE, "keep", repo.blob(""))])
    config = f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = touch {run}\n"
    entries = [(FILE, "HEAD", repo.blob("ref: refs/heads/main\n")), (FILE, "config", repo.blob(config))]
    entries += [(FOLDER, name, something) for name in parts if name in ("objects", "refs")]
    entries += [(FILE, "commondir", repo.blob("elsewhere"))] if "commondir" in parts else []
    tree = repo.tree(sorted(entries, key=lambda entry: entry[1]))
    repo.commit(repo.tree([(FOLDER, place, tree)]) if place else tree)
    message = refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.REFUSED)
    assert "looks like a git repository of its own" in message


def test_hooks_filters_and_lfs_do_nothing(server: GitServer, tmp_path: Path) -> None:
    repo, run = server.new(), tmp_path / "run"
    hook = repo.blob(f"#!/bin/sh\ntouch {run}\n")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    hooks = repo.tree([("100755", "post-checkout", hook)])
    repo.commit(
        repo.tree([
            (FILE, ".gitattributes", repo.blob("*.bin filter=lfs diff=lfs merge=lfs\n*.txt filter=run ident\n")),
            (FILE, ".lfsconfig", repo.blob("[lfs]\n\turl = http://127.0.0.1:9/\n")),
            (FOLDER, "hooks", hooks),
            (FILE, "large.bin", repo.blob(pointer)),
            (FILE, "some.txt", repo.blob("text")),
        ])
    )  # fmt: skip
    fetched(f"{server.url}/repo.git", tmp_path / "new")
    assert (tmp_path / "new" / "large.bin").read_text() == pointer
    assert (tmp_path / "new" / "some.txt").read_text() == "text"
    hooks_of_git = tmp_path / "new" / ".git" / "hooks"
    assert not hooks_of_git.exists()
    subprocess.run(["git", "status"], cwd=tmp_path / "new", check=True, capture_output=True)
    assert not run.exists()


def with_submodule(server: GitServer, declared: str, commit: str, path: str = "sub") -> Bare:
    repo = server.new("parent.git")
    entries = [(FILE, ".gitmodules", repo.blob(declared)), (FILE, "file", repo.blob("1")), (SUBMODULE, path, commit)]
    repo.commit(repo.tree(entries))
    return repo


def declaration(url: str, more: str = "", name: str = "sub") -> str:
    return f'[submodule "{name}"]\n\tpath = sub\n\turl = {url}\n{more}'


def test_submodules_are_fetched_where_they_are_asked_for(server: GitServer, tmp_path: Path) -> None:
    inner = server.new("child.git").commit({"a": "inner"})
    for number, url in enumerate(("../child.git", f"{server.url}/child.git", "./../child.git")):
        repo = with_submodule(server, declaration(url), inner)
        fetched(f"{server.url}/parent.git", tmp_path / f"without{number}")
        assert not list((tmp_path / f"without{number}" / "sub").iterdir())
        fetched(f"{server.url}/parent.git", tmp_path / f"with{number}", settings=ASKED)
        assert (tmp_path / f"with{number}" / "sub" / "a").read_text() == "inner"
        status = ["git", "status", "--porcelain"]
        assert not subprocess.run(status, cwd=tmp_path / f"with{number}", capture_output=True, check=True).stdout
        repo.path.rename(tmp_path / f"done{number}")


def test_a_submodule_needs_a_credential_of_its_own(server: GitServer, tmp_path: Path) -> None:
    inner = server.new("child.git").commit({"a": "inner"})
    with_submodule(server, declaration("../child.git"), inner)
    server.login = "me:word"
    url = f"http://me:word@{server.host}/parent.git"
    refused(url, tmp_path / "new", Trouble.LOGIN, settings=ASKED)
    named = replace(ASKED, credentials=f"{server.url}/child.git=CHILD")
    fetched(url, tmp_path / "new", settings=named, environ={"CHILD": "me:word"})
    assert (tmp_path / "new" / "sub" / "a").read_text() == "inner"


@pytest.mark.parametrize(
    "url",
    [
        "-u./payload", "--upload-pack=./payload", "ext::sh -c ./payload", "file:///etc", "/etc", "../../../etc",
        "../-x", "ssh://-oProxyCommand=./payload/x", "git@-oProxyCommand=x:y", "git://127.0.0.1/x", "./../..",
        "http://127.0.0.1:9/elsewhere.git", "",
    ],
)  # fmt: skip
def test_addresses_of_submodules_that_are_not_taken(server: GitServer, tmp_path: Path, url: str) -> None:
    inner = server.new("child.git").commit({"a": "1"})
    with_submodule(server, declaration(url), inner)
    with pytest.raises(TrainyardError) as caught:
        fetched(f"{server.url}/parent.git", tmp_path / "new", settings=ASKED)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "new").exists()
    assert not any("elsewhere" in path for path in server.paths)


def test_submodules_have_to_be_allowed(server: GitServer, tmp_path: Path) -> None:
    inner = server.new("other/child.git").commit({"a": "inner"})
    parent = server.new("ours/parent.git")
    declared = parent.blob(declaration("../../other/child.git"))
    parent.commit(parent.tree([(FILE, ".gitmodules", declared), (SUBMODULE, "sub", inner)]))
    url = f"{server.url}/ours/parent.git"
    with pytest.raises(TrainyardError, match=r"/other/child\.git may not be fetched"):
        fetched(url, tmp_path / "new", settings=replace(ASKED, sources=f"{server.url}/ours/*"))
    assert not (tmp_path / "new").exists()
    assert not any("child" in path for path in server.paths)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "name"),
    [("\tupdate = !touch {run}\n", "sub"), ("", "../../../hooks"), ("", ".."), ("\tbranch = --upload-pack=x\n", "sub")],
)
def test_what_else_is_declared_of_submodules_does_nothing(
    server: GitServer, tmp_path: Path, more: str, name: str
) -> None:
    """Their commands and names, which have led git out of the checkout. git itself refuses most of them."""
    inner = server.new("child.git").commit({"a": "1"})
    with_submodule(server, declaration("../child.git", more.format(run=tmp_path / "run"), name), inner)
    try:
        fetched(f"{server.url}/parent.git", tmp_path / "new", settings=ASKED)
    except TrainyardError:
        assert not (tmp_path / "new").exists()
    else:
        assert {path.name for path in (tmp_path / "new" / "sub").iterdir()} == {"a", ".git"}
    assert not (tmp_path / "run").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"new", "served"}


def test_a_submodule_without_an_address(server: GitServer, tmp_path: Path) -> None:
    repo = server.new("parent.git")
    repo.commit(repo.tree([(FILE, "file", repo.blob("1")), (SUBMODULE, "sub", "1" * 40)]))
    assert "no address" in refused(f"{server.url}/parent.git", tmp_path / "new", Trouble.REFUSED, settings=ASKED)
    fetched(f"{server.url}/parent.git", tmp_path / "without")


def test_a_tree_that_names_itself_over_and_over(server: GitServer, tmp_path: Path) -> None:
    """Ten folders in each of ten, ten times: few bytes to send, ten thousand million files to write."""
    repo = server.new()
    tree = repo.tree([(FILE, "f", repo.blob("x" * 1000))])
    for _ in range(10):
        tree = repo.tree([(FOLDER, str(number), tree) for number in range(10)])
    repo.commit(tree)
    small = replace(SETTINGS, fetch_mb=5)
    refused(f"{server.url}/repo.git", tmp_path / "new", Trouble.TOO_LARGE, settings=small)

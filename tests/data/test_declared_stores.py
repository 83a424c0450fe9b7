"""datastores.yaml: what it takes, what it refuses with its line, and where a store's credentials come from."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.data.credentials import variables_of
from trainyard.host.data.datastores import Credentials, Datastore, check_url, read_datastores, write_datastore
from trainyard.host.data.drivers import open_store
from trainyard.host.data.object_options import azure_options, gs_options, s3_options
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.settings.data import DataSettings

SECRET = "canary77"
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}


def said(root: Path, text: str) -> str:
    (root / "datastores.yaml").write_text(text)
    with pytest.raises(TrainyardError) as caught:
        read_datastores(root)
    message = str(caught.value).removeprefix(f"{root}/")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "datastores.yaml:1: not a mapping of names to data stores: write <name>: {url: <URL>}"),
        ("a b: {url: x}\n", "datastores.yaml:1: 'a b' is not the name of a data store: letters"),
        ("1: {url: x}\n", "datastores.yaml:1: 1 is not the name"),
        ("lake: {}\n", "datastores.yaml:1: lake.url"),
        ("https: {url: x}\n", "datastores.yaml:1: 'https' is not the name of a data store: https: begins a URL"),
        ("lake: {url: ''}\n", "datastores.yaml:1: lake.url: it is empty"),
        ("lake: 3\n", "datastores.yaml:1: lake: not names and values"),
        (f"lake:\n  url: x\n  credentials: A:{SECRET}\n", "datastores.yaml:3: lake.credentials: write default, none"),
        (f"lake:\n  url: x\n  credentials: [{SECRET}]\n", "datastores.yaml:3: lake.credentials: write default, none"),
        ("lake:\n  url: s3://b\n  endpoint: h:9000\n", "datastores.yaml:3: lake.endpoint: h:// is none"),
        ("lake:\n  url: s3://b\n  endpoint: 1.2.3.4:9000\n", "datastores.yaml:3: lake.endpoint: it does not begin"),
        ("lake:\n", "datastores.yaml:1: "),
        ("a: {url: x}\nlake:\n  url: s3://b\n  reigon: eu\n", "datastores.yaml:4: lake.reigon: unknown key: did you"),
        ("lake:\n  url: ftp://host/x\n", "datastores.yaml:2: lake.url: ftp:// is none of s3://"),
        ("lake:\n  url: s3:///x\n", "datastores.yaml:2: lake.url: it names no bucket, and no host"),
        (f"lake:\n  url: s3://me:{SECRET}@b/x\n", "datastores.yaml:2: lake.url: it holds a password"),
        (f"lake:\n  url: https://h/x?sig={SECRET}\n", "datastores.yaml:2: lake.url: it holds a signature"),
        (f"lake:\n  url: s3://b\n  endpoint: http://me:{SECRET}@h\n", "datastores.yaml:3: lake.endpoint: it holds a"),
        ("lake:\n  url: x\n  credentials: sometimes\n", "datastores.yaml:3: lake.credentials"),
        ("lake:\n  url: x\n  credentials: {variables: A_, file: /b}\n", "datastores.yaml:3: lake.credentials: write d"),
        ("lake:\n  url: x\n  credentials: {}\n", "datastores.yaml:3: lake.credentials: write default, none"),
        ("lake:\n  url: x\n  credentials: {variables: 'A B'}\n", "datastores.yaml:3: "),
        ("lake: {url: x}\nlake: {url: y}\n", "datastores.yaml:2: "),
        ("lake: {url: [x]}\n", "datastores.yaml:1: lake.url"),
        ("lake: {url: x\n", "datastores.yaml:"),
        ("\tlake: x\n", "datastores.yaml:1"),
    ],
)  # fmt: skip
def test_each_mistake_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    found = said(tmp_path, text)
    assert found.startswith(message), found
    assert SECRET not in found


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    assert read_datastores(tmp_path).entries == {}
    for text in ("", "# nothing yet\n"):
        (tmp_path / "datastores.yaml").write_text(text)
        assert read_datastores(tmp_path).entries == {}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    stores = {
        "lake": Datastore(url="s3://b/x", endpoint="http://h", region="eu-1", credentials=Credentials(variables="A_")),
        "open": Datastore(url="https://h/x", credentials="none"),
        "kept": Datastore(url="sftp://h/x", credentials=Credentials(file="~/keys")),
        "plain": Datastore(url="a folder"),
    }
    for name, store in stores.items():
        write_datastore(tmp_path, name, store)
    assert read_datastores(tmp_path).entries == stores
    text = (tmp_path / "datastores.yaml").read_text()
    (tmp_path / "datastores.yaml").write_text(text.rstrip() + "  # mine")
    write_datastore(tmp_path, "more", Datastore(url="x"))
    assert "# mine\n" in (tmp_path / "datastores.yaml").read_text()
    with pytest.raises(TrainyardError, match=r"datastores\.yaml:\d+: lake is there already"):
        write_datastore(tmp_path, "lake", Datastore(url="x"))
    assert list(read_datastores(tmp_path).entries) == [*stores, "more"]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("any")
    try:
        (root / "datastores.yaml").write_text(text)
    except UnicodeEncodeError:
        return
    try:
        read_datastores(root)
    except TrainyardError as error:
        assert str(error).startswith(f"{root}/datastores.yaml")


@given(st.text(max_size=60))
def test_any_url_is_taken_or_refused(url: str) -> None:
    try:
        check_url(url)
    except ValueError as error:
        assert len(url) < 4 or url not in str(error) or url.rstrip("/:") in "s3://gs://abfs://https://sftp://file://"
    ref = parse_ref(url)
    assert ref.store or ref == DatasetRef("", url)


def test_datasets_by_name() -> None:
    assert parse_ref("lake:v1/a.csv") == DatasetRef("lake", "v1/a.csv")
    assert parse_ref("lake:/v1/") == DatasetRef("lake", "v1")
    assert parse_ref("s3://b/x") == DatasetRef("", "s3://b/x")
    assert parse_ref("data/a:b.csv") == DatasetRef("", "data/a:b.csv")
    assert [parse_ref(text).is_open for text in ("lake:latest", "lake:v1/latest.csv", "lake:a*", "lake:x", "a[1]")] == [
        True, True, True, False, True
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("dvc+https://h/r.git#data", ("https://h/r.git", "", "data")),
        ("dvc+https://h/r.git@v1#data/x/", ("https://h/r.git", "v1", "data/x")),
        ("dvc+git@h:me/r.git@main#d", ("git@h:me/r.git", "main", "d")),
        ("dvc+git@h:me/r.git#d", ("git@h:me/r.git", "", "d")),
        ("dvc+ssh://git@h/r.git#d", ("ssh://git@h/r.git", "", "d")),
        ("dvc+/a/repo@v1#d", ("/a/repo", "v1", "d")),
        ("dvc+../repo", ("../repo", "", "")),
    ],
)
def test_places_in_dvc_repositories(url: str, place: tuple[str, str, str]) -> None:
    check_url(url)
    assert Datastore(url=url).dvc_place == place


def test_credentials_of_a_prefix_of_a_file_and_none(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    environ = {"LAKE_AWS_ACCESS_KEY_ID": "a", "AWS_ACCESS_KEY_ID": "other", "LAKE_EMPTY": "", "HOME": "/x"}
    store = Datastore(url="s3://b", credentials=Credentials(variables="LAKE_"))
    assert variables_of("lake", store, environ, root) == {"AWS_ACCESS_KEY_ID": "a"}
    assert variables_of("lake", Datastore(url="s3://b", credentials="none"), environ, root) == {}
    assert variables_of("lake", Datastore(url="s3://b"), environ, root) == environ
    with pytest.raises(TrainyardError, match="no variable begins with LAKE_: set LAKE_AWS_ACCESS_KEY_ID"):
        variables_of("lake", store, {}, root)
    keys = tmp_path / "keys"
    store = Datastore(url="s3://b", credentials=Credentials(file=str(keys)))
    with pytest.raises(TrainyardError, match="keys"):
        variables_of("lake", store, environ, root)
    keys.write_text(f"# mine\nexport A='{SECRET}'\nB = c=d\n\nC=\n")
    keys.chmod(0o644)
    with pytest.raises(TrainyardError, match="keys can be read by other users: chmod 600"):
        variables_of("lake", store, environ, root)
    keys.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert variables_of("lake", store, environ, root) == {"A": SECRET, "B": "c=d", "C": ""}
    keys.write_text(f"A=1\n{SECRET}\n")
    with pytest.raises(TrainyardError, match=r"keys:2: not a line KEY=value") as caught:
        variables_of("lake", store, environ, root)
    assert SECRET not in str(caught.value)
    inside = Datastore(url="s3://b", credentials=Credentials(file="keys"))
    (root / "keys").write_text("A=1\n")
    with pytest.raises(TrainyardError, match="lies in the monorepo, where it could be committed"):
        variables_of("lake", inside, environ, root)


def given_by(options: dict[str, Any]) -> dict[str, Any]:
    """The keys that the function among the options gives."""
    found = dict(options["credential_provider"]())
    assert found.pop("expires_at").year == 9999
    return found


def test_options_of_s3() -> None:
    options = s3_options(Datastore(url="s3://b/x"), KEYS)
    assert given_by(options) == {"access_key_id": "id", "secret_access_key": "key", "token": None}
    assert (options["region"], options["endpoint"]) == ("us-east-1", "https://s3.us-east-1.amazonaws.com")
    more = {**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_REGION": "eu-1", "AWS_ENDPOINT_URL": "http://h"}
    options = s3_options(Datastore(url="s3://b/x"), more)
    assert given_by(options)["token"] == "t"
    assert (options["region"], options["endpoint"], options["allow_http"]) == ("eu-1", "http://h", True)
    options = s3_options(Datastore(url="s3://b", credentials="none", region="x", endpoint="https://h"), {})
    assert options == {
        "skip_signature": True, "region": "x", "endpoint": "https://h", "virtual_hosted_style_request": False,
        "allow_http": False,
    }  # fmt: skip


@pytest.mark.parametrize("url", ["s3://b", "gs://b", "abfs://c@a.dfs.core.windows.net"])
def test_another_stores_keys_are_not_taken_for_those_that_are_missing(url: str) -> None:
    store = Datastore(url=url, credentials=Credentials(variables="LAKE_"))
    options = {"s3": s3_options, "gs": gs_options, "abfs": azure_options}[store.scheme]
    with pytest.raises(TrainyardError, match=r"there (is|are) no LAKE_(AWS|GOOGLE|AZURE)_"):
        options(store, {"AWS_REGION": "eu-1"})


def test_one_key_of_two_is_named() -> None:
    store = Datastore(url="s3://b", credentials=Credentials(variables="LAKE_"))
    with pytest.raises(TrainyardError, match=r"LAKE_AWS_SECRET_ACCESS_KEY is not set, and the other key is: set both"):
        s3_options(store, {"AWS_ACCESS_KEY_ID": "me"})
    with pytest.raises(TrainyardError, match=r"^AWS_ACCESS_KEY_ID is not set"):
        s3_options(Datastore(url="s3://b"), {"AWS_SECRET_ACCESS_KEY": "x"})


def test_a_url_alone_is_a_store(tmp_path: Path) -> None:
    (tmp_path / "datastores.yaml").write_text("shelf: ../shelf\n")
    assert read_datastores(tmp_path).find("shelf") == Datastore(url="../shelf")
    (tmp_path / "datastores.yaml").write_text(f"shelf: s3://me:{SECRET}@b\n")
    with pytest.raises(TrainyardError, match=r"datastores\.yaml:1: shelf\.url: it holds a password") as caught:
        read_datastores(tmp_path)
    assert SECRET not in str(caught.value)


def test_a_profile_of_s3(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("[lake]\naws_access_key_id = mine\naws_secret_access_key = secret\n")
    environ = {**KEYS, "AWS_PROFILE": "lake", "AWS_SHARED_CREDENTIALS_FILE": str(path)}
    found = s3_options(Datastore(url="s3://b"), environ)["credential_provider"]()
    assert (found["access_key_id"], found["secret_access_key"]) == ("mine", "secret")
    with pytest.raises(TrainyardError, match="profile"):
        s3_options(Datastore(url="s3://b"), {**environ, "AWS_PROFILE": "pond"})


def test_options_of_google_cloud_storage_which_has_no_server_here() -> None:
    assert gs_options(Datastore(url="gs://b", credentials="none"), {}) == {"skip_signature": True}
    assert gs_options(Datastore(url="gs://b"), {}) == {}
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": "/keys.json"}
    assert gs_options(Datastore(url="gs://b"), environ) == {"application_credentials": "/keys.json"}


def test_options_of_azure() -> None:
    full = Datastore(url="abfs://c@acc.dfs.core.windows.net/x")
    assert azure_options(full, {}) == ("c", {"account_name": "acc", "use_azure_cli": True})
    assert given_by(azure_options(full, {"AZURE_STORAGE_SAS_TOKEN": "?s"})[1]) == {"sas_token": "s"}
    principal = {"AZURE_CLIENT_ID": "i", "AZURE_CLIENT_SECRET": "s", "AZURE_TENANT_ID": "t"}
    assert azure_options(full, principal)[1] == {
        "account_name": "acc", "client_id": "i", "client_secret": "s", "tenant_id": "t"
    }  # fmt: skip
    text = "AccountName=two;AccountKey=a==;BlobEndpoint=http://h/two"
    container, options = azure_options(Datastore(url="abfs://c/x"), {"AZURE_STORAGE_CONNECTION_STRING": text})
    assert container == "c"
    assert given_by(options) == {"access_key": "a=="}
    assert options | {"account_name": "two", "endpoint": "http://h/two", "allow_http": True} == options
    with pytest.raises(TrainyardError, match="names no storage account"):
        azure_options(Datastore(url="abfs://c/x"), {})


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs", "https", "sftp", "dvc"])
def test_a_driver_that_is_missing(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainyard.host.data import drivers

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(drivers.importlib, "import_module", missing)
    url = "dvc+/x" if scheme == "dvc" else f"{scheme}://h/x"
    (tmp_path / "datastores.yaml").write_text(f"lake: {{url: '{url}'}}\n")
    with pytest.raises(TrainyardError) as caught:
        open_store("lake", read_datastores(tmp_path), KEYS, DataSettings())
    message = str(caught.value)
    assert message == f"data store lake: the driver of {scheme}:// is not installed: sh mk/setup.sh . {scheme}"


def test_local_trainings_import_no_driver() -> None:
    look = (
        "import sys, trainyard.host.verbs.train, trainyard.host.verbs.check\n"
        "print([name for name in ('obstore', 'fsspec', 'aiohttp', 'botocore', 'sshfs', 'dvc') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "[]\n"

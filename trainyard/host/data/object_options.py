"""Options of stores of objects: credentials by the usual chain of each provider, or what a store has of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import Datastore

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def s3_options(store: Datastore, environ: Mapping[str, str]) -> dict[str, Any]:
    """Of ``S3Store``. Keys among the variables come first, as in Amazon's own tools; then botocore goes on: profiles,
    single sign-on, web identity, the machine's role. It takes a fifth of a second to import."""
    endpoint = store.endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = store.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    options: dict[str, Any] = {}
    if store.credentials == "none":
        options["skip_signature"] = True
    elif all(environ.get(key) for key in _KEYS) and not environ.get("AWS_PROFILE"):
        options |= {"access_key_id": environ[_KEYS[0]], "secret_access_key": environ[_KEYS[1]]}
        if token := environ.get("AWS_SESSION_TOKEN"):
            options["session_token"] = token
    else:
        session = _session(environ)
        region = region or session.get_config_variable("region")
        options["credential_provider"] = _provider(session)
    if endpoint:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        options["allow_http"] = endpoint.startswith("http://")
    return {"region": region or "us-east-1", **options}


def _session(environ: Mapping[str, str]) -> Any:
    """botocore reads this process's variables; those of a prefix or a file are told to it."""
    from botocore.session import Session

    session = Session(profile=environ.get("AWS_PROFILE"))
    if path := environ.get("AWS_SHARED_CREDENTIALS_FILE"):
        session.set_config_variable("credentials_file", path)
    if path := environ.get("AWS_CONFIG_FILE"):
        session.set_config_variable("config_file", path)
    return session


def _provider(session: Any) -> Callable[[], dict[str, Any]]:
    found = session.get_credentials()
    if found is None:
        raise TrainyardError(
            f"there are no credentials for S3: {' and '.join(_KEYS)} are not set, and there is no profile",
            "set them, or aws configure; credentials: none is for buckets that anybody may read",
        )

    def provide() -> dict[str, Any]:
        frozen = found.get_frozen_credentials()  # which renews them where their time is up
        expires = getattr(found, "_expiry_time", None) or datetime(9999, 1, 1, tzinfo=UTC)
        return {
            "access_key_id": frozen.access_key, "secret_access_key": frozen.secret_key,
            "token": frozen.token, "expires_at": expires,
        }  # fmt: skip

    return provide


def gs_options(store: Datastore, environ: Mapping[str, str]) -> dict[str, Any]:
    """Of ``GCSStore``, which knows Google's chain: a key's file, gcloud's default, the machine's account."""
    if store.credentials == "none":
        return {"skip_signature": True}
    key = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return {"application_credentials": key} if key else {}


def azure_options(store: Datastore, environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The container, and the options of ``AzureStore``, which knows Azure's chain: keys, service principals, workload
    and machine identities, the ``az`` program."""
    place = urlsplit(store.url)
    container, _, host = place.netloc.rpartition("@") if "@" in place.netloc else (place.netloc, "", "")
    connection = _connection(environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account = host.partition(".")[0] or connection.get("AccountName") or environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    account = account or environ.get("AZURE_STORAGE_ACCOUNT")
    if not account:
        raise TrainyardError(
            f"{store.url} names no storage account", "write abfs://container@account.dfs.core.windows.net/folder"
        )
    options: dict[str, Any] = {"account_name": account}
    if endpoint := store.endpoint or connection.get("BlobEndpoint", ""):
        options["endpoint"] = endpoint.rstrip("/")
        options["allow_http"] = endpoint.startswith("http://")
    if store.credentials == "none":
        return container, options | {"skip_signature": True}
    named: dict[str, tuple[str, ...]] = {
        "account_key": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"),
        "sas_key": ("AZURE_STORAGE_SAS_TOKEN",),
        "client_id": ("AZURE_CLIENT_ID",), "client_secret": ("AZURE_CLIENT_SECRET",),
        "tenant_id": ("AZURE_TENANT_ID",), "federated_token_file": ("AZURE_FEDERATED_TOKEN_FILE",),
    }  # fmt: skip
    found = {
        option: next((environ[name] for name in names if environ.get(name)), "") for option, names in named.items()
    }
    found["account_key"] = found["account_key"] or connection.get("AccountKey", "")
    given = {option: value for option, value in found.items() if value}
    return container, {**options, **(given or {"use_azure_cli": True})}


def _connection(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(";") if "=" in part)


def make_container(store: Datastore, name: str, environ: Mapping[str, str]) -> bool:
    """Make a bucket of S3, or a container of Azure; False where it was there. obstore makes none.

    Raises:
        TrainyardError: it is refused, or the provider has no bucket without decisions of yours.
    """
    if store.scheme == "s3":
        return _make_bucket(store, name, environ)
    if store.scheme == "abfs":
        return _make_azure_container(store, environ)
    raise TrainyardError(f"{store.url}: the bucket is not there", f"gcloud storage buckets create gs://{name}")


def _make_bucket(store: Datastore, name: str, environ: Mapping[str, str]) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    options = s3_options(store, environ)
    session = _session(environ)
    keys = {
        "aws_access_key_id": options.get("access_key_id"), "aws_secret_access_key": options.get("secret_access_key"),
        "aws_session_token": options.get("session_token"),
    }  # fmt: skip
    client = session.create_client("s3", region_name=options["region"], endpoint_url=options.get("endpoint"), **keys)
    where = {} if options["region"] == "us-east-1" else {"LocationConstraint": options["region"]}
    try:
        client.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    except ClientError as error:
        if (code := error.response["Error"]["Code"]) == "BucketAlreadyOwnedByYou":
            return False
        raise TrainyardError(
            f"{store.url}: the bucket cannot be made ({code})", "take another name, or ask its owner"
        ) from None
    except BotoCoreError as error:
        raise TrainyardError(
            f"{store.url}: the bucket cannot be made ({type(error).__name__})", "check the store"
        ) from None
    return True


def _make_azure_container(store: Datastore, environ: Mapping[str, str]) -> bool:
    from azure.core.exceptions import AzureError, ResourceExistsError
    from azure.storage.blob import ContainerClient

    name, options = azure_options(store, environ)
    url = options.get("endpoint") or f"https://{options['account_name']}.blob.core.windows.net"
    key = options.get("account_key") or options.get("sas_key")
    if key is None:
        raise TrainyardError(f"{store.url}: the container is not there", f"az storage container create --name {name}")
    try:
        ContainerClient(url, name, credential=key).create_container()
    except ResourceExistsError:
        return False
    except AzureError as error:
        raise TrainyardError(
            f"{store.url}: the container cannot be made ({type(error).__name__})", "check the store"
        ) from None
    return True

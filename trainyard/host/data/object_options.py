"""Options of stores of objects: credentials by the usual chain of each provider, or what a store has of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import Credentials, Datastore

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_AZURE_KEYS = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY")
_AZURE_PRINCIPAL = {
    "client_id": "AZURE_CLIENT_ID", "client_secret": "AZURE_CLIENT_SECRET", "tenant_id": "AZURE_TENANT_ID",
    "federated_token_file": "AZURE_FEDERATED_TOKEN_FILE",
}  # fmt: skip
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # when keys expire that nobody renews


def s3_options(store: Datastore, environ: Mapping[str, str]) -> dict[str, Any]:
    """Of ``S3Store``. Keys among the variables come first, as in Amazon's own tools; then botocore goes on: profiles,
    single sign-on, web identity, the machine's role. It takes a fifth of a second to import.

    obstore takes whatever it is not given from this process's variables, where another store's keys may be: so it is
    given an endpoint, and a function that gives the keys.
    """
    endpoint = store.endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = store.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    options: dict[str, Any] = {}
    if store.credentials == "none":
        options["skip_signature"] = True
    elif all(environ.get(key) for key in _KEYS) and not environ.get("AWS_PROFILE"):
        keys = {"access_key_id": environ[_KEYS[0]], "secret_access_key": environ[_KEYS[1]]}
        token = environ.get("AWS_SESSION_TOKEN") or None
        options["credential_provider"] = lambda: {**keys, "token": token, "expires_at": _NEVER}
    elif half := _half(store, environ):
        raise TrainyardError(f"{half} is not set, and the other key is", "set both")
    elif store.credentials == "default" or environ.get("AWS_PROFILE"):
        options["credential_provider"], found = _of_chain(environ)
        region = region or found
    else:
        named = " and ".join(f"{_prefix(store)}{key}" for key in _KEYS)
        raise TrainyardError(f"there are no {named}", "add them, or AWS_PROFILE")
    region = region or "us-east-1"
    endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
    plain = endpoint.startswith("http://")
    return {
        "region": region,
        "endpoint": endpoint,
        "virtual_hosted_style_request": False,
        "allow_http": plain,
        **options,
    }


def _half(store: Datastore, environ: Mapping[str, str]) -> str:
    """The key that is missing where one is there and no profile; its variable, with the store's prefix."""
    missing = [key for key in _KEYS if not environ.get(key)]
    return f"{_prefix(store)}{missing[0]}" if len(missing) == 1 and not environ.get("AWS_PROFILE") else ""


def _prefix(store: Datastore) -> str:
    return store.credentials.variables if isinstance(store.credentials, Credentials) else ""


def botocore_session(environ: Mapping[str, str]) -> Any:
    """botocore reads this process's variables; those of a prefix or a file are passed to it."""
    from botocore.session import Session

    session = Session(profile=environ.get("AWS_PROFILE"))
    if path := environ.get("AWS_SHARED_CREDENTIALS_FILE"):
        session.set_config_variable("credentials_file", path)
    if path := environ.get("AWS_CONFIG_FILE"):
        session.set_config_variable("config_file", path)
    return session


def _of_chain(environ: Mapping[str, str]) -> tuple[Callable[[], dict[str, Any]], str | None]:
    """What gives the keys, and the region that the profile has."""
    from botocore.exceptions import BotoCoreError

    try:
        session = botocore_session(environ)
        found, region = session.get_credentials(), session.get_config_variable("region")
    except BotoCoreError as error:
        raise TrainyardError(
            f"there are no credentials for S3: {error}", "correct AWS_PROFILE, or aws configure"
        ) from None
    if found is None:
        raise TrainyardError(
            f"there are no credentials for S3: {' and '.join(_KEYS)} are not set, and there is no profile",
            "set them, or aws configure; credentials: none is for buckets that anybody may read",
        )

    def provide() -> dict[str, Any]:
        frozen = found.get_frozen_credentials()  # which renews them where their time is up
        return {
            "access_key_id": frozen.access_key, "secret_access_key": frozen.secret_key,
            "token": frozen.token, "expires_at": getattr(found, "_expiry_time", None) or _NEVER,
        }  # fmt: skip

    return provide, region


def gs_options(store: Datastore, environ: Mapping[str, str]) -> dict[str, Any]:
    """Of ``GCSStore``, which knows Google's chain: a key's file, gcloud's default, the machine's account."""
    if store.credentials == "none":
        return {"skip_signature": True}
    if key := environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return {"application_credentials": key}
    if store.credentials == "default":
        return {}
    raise TrainyardError(f"there is no {_prefix(store)}GOOGLE_APPLICATION_CREDENTIALS", "add it: the file of a key")


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
    return container, options | _azure_credentials(store, environ, connection)


def _azure_credentials(store: Datastore, environ: Mapping[str, str], connection: Mapping[str, str]) -> dict[str, Any]:
    key = next((environ[name] for name in _AZURE_KEYS if environ.get(name)), "") or connection.get("AccountKey", "")
    if key:
        return {"credential_provider": lambda: {"access_key": key, "expires_at": _NEVER}}
    if token := environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return {"credential_provider": lambda: {"sas_token": token.removeprefix("?"), "expires_at": _NEVER}}
    if given := {option: environ[name] for option, name in _AZURE_PRINCIPAL.items() if environ.get(name)}:
        return given
    if store.credentials == "default":
        return {"use_azure_cli": True}
    raise TrainyardError(f"there is no {_prefix(store)}{_AZURE_KEYS[0]}", "add it, or AZURE_STORAGE_SAS_TOKEN")


def _connection(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(";") if "=" in part)

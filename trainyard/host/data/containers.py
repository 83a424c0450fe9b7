"""Makes buckets of S3 and containers of Azure, which obstore does not."""

from __future__ import annotations

from collections.abc import Mapping

from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import Datastore
from trainyard.host.data.object_options import azure_options, botocore_session, s3_options


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
    found = options["credential_provider"]() if "credential_provider" in options else {}
    keys = {
        "aws_access_key_id": found.get("access_key_id"), "aws_secret_access_key": found.get("secret_access_key"),
        "aws_session_token": found.get("token"),
    }  # fmt: skip
    client = botocore_session(environ).create_client(
        "s3", region_name=options["region"], endpoint_url=options["endpoint"], **keys
    )
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
    found = options["credential_provider"]() if "credential_provider" in options else {}
    key = found.get("access_key") or found.get("sas_token")
    if not isinstance(key, str):
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

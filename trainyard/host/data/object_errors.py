"""What obstore raises, whose texts have whole requests and answers in them, as one line of ours."""

from __future__ import annotations

import re

from trainyard.host.data.fsspec_errors import CHECK, REFUSED
from trainyard.host.data.store import NoContainer, StoreError

_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_REFUSALS = (
    "AccessDenied", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken",
    "SignatureDoesNotMatch", "TokenRefreshRequired", "RequestTimeTooSkewed", "AuthenticationFailed",
    "AuthorizationFailure", "AuthorizationPermissionMismatch", "NoAuthenticationInformation",
    "XAdminUserNotFound",  # versitygw's, with status 404
)  # fmt: skip
# What the library's errors have of the network's, and what it means.
_REASONS = {
    "refused": "the connection was refused",
    "dns error": "there is no host of that name",
    "Name or service": "there is no host of that name",
    "certificate": "its certificate is not trusted",
    "timed out": "it does not answer in time",
    "TimedOut": "it does not answer in time",
    "unreachable": "the network is unreachable",
    "reset": "the connection was lost",
    "closed": "the connection was lost",
    "IncompleteMessage": "the connection was lost",
    "IncompleteBody": "the connection was lost",
    "SendRequest": "the connection was lost",
    "error decoding": "the connection was lost",
    "configured region": "the bucket is in another region",
}


def plain(where: str, name: str, text: str) -> StoreError:
    """``text`` is the library's; ``where`` the path, ``name`` the store, for messages."""
    status = _first(r"non-2xx status code: (\d{3})|status: (\d{3})", text)
    code = _first(r"<Code>(\w+)</Code>", text)
    if code in _NO_BUCKET or (status == "404" and code not in _REFUSALS):
        return NoContainer(f"{where}: there is no such bucket or container", f"correct the url of {name}, or make it")
    if status in ("401", "403") or code in _REFUSALS:
        return StoreError(f"{where}: the store refuses ({code or f'status {status}'})", REFUSED.format(name))
    if status:
        passing = int(status) >= 500 or status in ("408", "429")
        return StoreError(f"{where}: the store answers with {code or f'status {status}'}", CHECK, passing=passing)
    if re.search("invalid path|error parsing path|illegal", text, re.IGNORECASE):
        return StoreError(f"{where}: an object has a name that is no path", "rename it in the store")
    if re.search("credential|access key|az account", text, re.IGNORECASE):
        return StoreError(f"{where}: there are no credentials, or they are not taken", REFUSED.format(name))
    reason = next((what for word, what in _REASONS.items() if word in text), "the store does not answer as it should")
    fix = f"add region: to {name} in datastores.yaml" if "region" in reason else CHECK
    return StoreError(f"{where}: {reason}", fix, passing=True)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return next(filter(None, found.groups()), "") if found else ""

"""What drivers of fsspec raise, each errors of its own, as one line of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from trainyard.host.data.store import NoContainer, NotThere, StoreError, in_store

CHECK = "check the store: make datastores; DATA_RETRIES and DATA_TIMEOUT allow more"
SHOWS = "make data-list STORE={} shows what is there"
REFUSED = "check the credentials of {}: make datastores"
_LONGEST = 200  # characters of a driver's own text
_LOST, _SLOW = "the connection was lost", "it does not answer in time"
# By the classes of aiohttp, asyncssh, fsspec and DVC, whose texts have addresses in memory and whole requests.
_REASONS = {
    "ConnectionLost": _LOST,
    "ClientPayloadError": _LOST,
    "ServerDisconnectedError": _LOST,
    "BrokenPipeError": _LOST,
    "SFTPConnectionLost": _LOST,
    "SFTPNoConnection": _LOST,
    "TimeoutError": _SLOW,
    "FSTimeoutError": _SLOW,
    "ClientConnectorCertificateError": "its certificate is not trusted",
    "ClientConnectorDNSError": "there is no host of that name",
    "ClientConnectorSSLError": "it does not speak https",
    "ClientSSLError": "it does not speak https",
    "SSLError": "it does not speak https",
    "gaierror": "there is no host of that name",
    "CloneError": "git cannot clone it",
    "RevError": "it has no such commit, branch or tag",
    "NotDvcRepoError": "it is no DVC repository",
    "FileMissingError": "DVC's remote does not have it",
}
# Asking again changes nothing about these, and something else has to be done.
_FIXES = {
    "HostKeyNotVerifiable": ("the host's key is not known", "compare it by ssh once, or set SFTP_KNOWN_HOSTS: {}"),
    "ClientConnectorCertificateError": (
        "its certificate is not trusted", "name the file of its authority with SSL_CERT_FILE: {}",
    ),
    "SFTPNoSpaceOnFilesystem": ("there is no space left", "make room in {}"),
}  # fmt: skip


@contextmanager
def plain_errors(name: str, path: str) -> Iterator[None]:
    """While the block runs, whatever is raised about the store ``name`` is a StoreError."""
    where = in_store(name, path)
    try:
        yield
    except StoreError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        # Whatever a web server says, and where it says nothing, the driver says that nothing is there.
        cause = error.__cause__
        if isinstance(cause, TimeoutError | ConnectionError) or type(cause).__module__.startswith("aiohttp"):
            raise _of_driver(where, name, cause or error) from None
        if path:
            raise NotThere(f"{where}: there is nothing of that name", SHOWS.format(name)) from None
        raise NoContainer(f"{where}: there is no such folder", "make it, or correct the url") from None
    except PermissionError as error:
        reason = error.strerror or _text(error) or "no permission"
        raise StoreError(f"{where}: the store refuses ({reason})", REFUSED.format(name)) from None
    except Exception as error:  # noqa: BLE001 -- each driver has errors of its own, of any class
        raise _of_driver(where, name, error) from None


def of_status(where: str, name: str, status: int) -> StoreError:
    """What a web server's status means."""
    if status in (404, 410):
        return NotThere(f"{where}: there is nothing of that name", SHOWS.format(name))
    if status in (401, 403, 407):
        return StoreError(f"{where}: the store refuses (status {status})", REFUSED.format(name))
    return StoreError(f"{where}: the store answers with status {status}", CHECK, passing=status >= 500 or status == 429)


def _status(error: BaseException | None) -> int:
    return int(getattr(error, "status", 0) or 0)


def _of_driver(where: str, name: str, error: BaseException) -> StoreError:
    if status := _status(error):
        return of_status(where, name, status)
    classes = [one.__name__ for one in type(error).__mro__]
    for one in classes:
        if one in _FIXES:
            reason, fix = _FIXES[one]
            return StoreError(f"{where}: {reason}", fix.format(name))
    reason = next((_REASONS[one] for one in classes if one in _REASONS), "") or _text(error)
    if "create any SFTP connections" in reason:  # sshfs's word for a connection that is closed
        reason = _LOST
    return StoreError(f"{where}: {reason or classes[0]}", CHECK, passing=True)


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return " ".join(str(error).split())[:_LONGEST]

"""A file of a web server, by the build's own proxies and certificates."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.network.build_settings import ca_bundle
from trainyard.settings.host import NetworkSettings

_PIECE = 1 << 20  # bytes


def download(url: str, target: Path, settings: NetworkSettings, timeout: float, most: int) -> None:
    """Write what is there to the file ``target``.

    Args:
        url: http or https, without credentials.
        target: the file; it may be there in part after an error.
        settings: CA bundle and proxies.
        timeout: seconds of silence.
        most: bytes.

    Raises:
        TrainyardError: the server does not give it, or gives more than ``most``.
        OSError: it cannot be written.
    """
    opener = urllib.request.build_opener(*_handlers(urlsplit(url).hostname or "", settings))
    with target.open("wb") as file:
        try:
            with opener.open(url, timeout=timeout) as answer:
                if urlsplit(url).scheme == "https" and urlsplit(answer.url).scheme != "https":
                    raise TrainyardError(f"{url}: it leads to {urlsplit(answer.url).scheme}://", "name an https URL")
                size, length = 0, answer.length
                while piece := answer.read(_PIECE):
                    size += len(piece)
                    if size > most:
                        raise _failure(url, f"more than {most / 1e9:g} GB", "set ASSETS_GB higher, if that is right")
                    file.write(piece)
                if length is not None and size < length:
                    raise _failure(url, f"the connection was lost after {size:,} of {length:,} bytes")
        except urllib.error.HTTPError as error:
            raise _failure(url, f"status {error.code}") from None
        except TimeoutError:
            raise _failure(url, f"no answer in {timeout:g} s", "DATA_TIMEOUT says how long to wait") from None
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
            raise _failure(url, str(getattr(error, "reason", error) or type(error).__name__)) from None


def _handlers(host: str, settings: NetworkSettings) -> list[urllib.request.BaseHandler]:
    bundle = ca_bundle(settings)
    context = ssl.create_default_context(cafile=str(bundle) if bundle else None)
    without = [name.strip().lstrip(".") for name in settings.no_proxy.split(",") if name.strip()]
    is_direct = any(name == "*" or host == name or host.endswith(f".{name}") for name in without)
    found = {"http": settings.http_proxy, "https": settings.https_proxy}
    given = {} if is_direct else {scheme: url for scheme, url in found.items() if url}
    return [urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler(given)]


def _failure(url: str, what: str, fix: str = "check the URL, and the network") -> TrainyardError:
    return TrainyardError(f"{url}: {what}", fix, EXIT_FAILED)

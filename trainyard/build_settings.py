"""Settings of a build that must not stay in an image: index URLs, proxies, a CA bundle.

They reach the scripts as a mounted folder (``/run/trainyard``), since ``-e`` stays in an image's environment and
``ARG`` in its history. For programs on the host they are environment variables.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.settings import HostSettings

FOLDER = "/run/trainyard"
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def index_environment(settings: HostSettings) -> dict[str, str]:
    """The variables by which uv and pip learn where packages come from."""
    named = {
        "UV_DEFAULT_INDEX": settings.index_url,
        "PIP_INDEX_URL": settings.index_url,
        "UV_INDEX": settings.extra_index_url,
        "PIP_EXTRA_INDEX_URL": settings.extra_index_url,
        "HTTP_PROXY": settings.http_proxy,
        "HTTPS_PROXY": settings.https_proxy,
        "http_proxy": settings.http_proxy,  # apt and curl read the small ones only
        "https_proxy": settings.https_proxy,
        "NO_PROXY": settings.no_proxy,
        "no_proxy": settings.no_proxy,
    }
    return {name: value for name, value in named.items() if value}


def ca_bundle(settings: HostSettings) -> Path | None:
    """The CA bundle that builds trust: CA_BUNDLE, or the host's own; None where there is none.

    Raises:
        TrainyardError: CA_BUNDLE names no file.
    """
    if settings.ca_bundle:
        path = Path(settings.ca_bundle).expanduser()
        if not path.is_file():
            raise TrainyardError(f"CA_BUNDLE={settings.ca_bundle}: no such file", "name a PEM file, or unset it")
        return path.resolve()
    return next((Path(path) for path in SYSTEM_BUNDLES if Path(path).is_file()), None)


@contextlib.contextmanager
def settings_folder(settings: HostSettings) -> Iterator[Path]:
    """A private folder with ``env``, ``ca.pem`` and ``apt.conf``, to be mounted at ``FOLDER``; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="trainyard-build-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # s2i --as-dockerfile and rootless engines assemble as another uid
        environment = index_environment(settings)
        apt = [f'Acquire::{scheme}::Proxy "{environment[f"{scheme}_proxy"]}";' for scheme in ("http", "https")
               if f"{scheme}_proxy" in environment]  # fmt: skip
        if bundle := ca_bundle(settings):
            shutil.copyfile(bundle, folder / "ca.pem")
            certificate = f"{FOLDER}/ca.pem"
            for variable in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                environment[variable] = certificate
            apt.append(f'Acquire::https::CAInfo "{certificate}";')
        if settings.strict:
            environment["STRICT"] = "1"
        environment["APT_CONFIG"] = f"{FOLDER}/apt.conf"
        (folder / "apt.conf").write_text("\n".join(apt) + "\n")
        lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        (folder / "env").write_text("\n".join(lines) + "\n")
        for file in folder.iterdir():
            file.chmod(0o644)
        yield folder

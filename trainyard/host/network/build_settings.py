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
from trainyard.host.network.urls import without_name
from trainyard.host.secrets.credentials import given_to_builds
from trainyard.settings.host import BuildSettings, NetworkSettings

FOLDER = "/run/trainyard"
WHEELS = f"{FOLDER}/wheels"  # where containers find the wheelhouse
RETRIES = 2  # after the first time
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def index_environment(settings: NetworkSettings, wheels: str = "") -> dict[str, str]:
    """The variables by which uv and pip learn where packages come from. ``wheels``: where they find the wheelhouse, if
    that is not where WHEELHOUSE says."""
    waiting = str(settings.index_timeout)
    named = {
        "UV_HTTP_TIMEOUT": waiting,
        "UV_HTTP_CONNECT_TIMEOUT": waiting,
        "UV_HTTP_RETRIES": str(RETRIES),
        "UV_NO_CONFIG": "1",  # what it says of indexes is in the settings already
        "PIP_DEFAULT_TIMEOUT": waiting,
        "PIP_RETRIES": str(RETRIES),
        **proxies(settings),
    }
    if folder := wheelhouse(settings):
        found = wheels or str(folder)
        named |= {"WHEELHOUSE": found, "UV_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": found}
    else:
        named |= {
            "UV_DEFAULT_INDEX": settings.index_url,
            "PIP_INDEX_URL": settings.index_url,
            "UV_INDEX": settings.extra_index_url,
            "PIP_EXTRA_INDEX_URL": " ".join(map(without_name, settings.extra_index_url.split())),
            "PIP_TRUSTED_HOST": " ".join(_without_tls(settings)),  # uv asks them because they were named; pip would not
        }
    return {name: value for name, value in named.items() if value}


def _without_tls(settings: NetworkSettings) -> list[str]:
    urls = map(without_name, f"{settings.index_url} {settings.extra_index_url}".split())
    authorities = (url.removeprefix("http://").partition("/")[0] for url in urls if url.startswith("http://"))
    return [authority.rpartition("@")[2] for authority in authorities]


def proxies(settings: NetworkSettings) -> dict[str, str]:
    """The variables by which every program learns of proxies; apt and curl read the small ones only."""
    named = {"http_proxy": settings.http_proxy, "https_proxy": settings.https_proxy, "no_proxy": settings.no_proxy}
    return {spelt: value for name, value in named.items() if value for spelt in (name, name.upper())}


def index_options(settings: NetworkSettings) -> list[str]:
    """What uv has no variable for."""
    folder = wheelhouse(settings)
    return ["--no-index", "--find-links", str(folder)] if folder else []


def wheelhouse(settings: NetworkSettings) -> Path | None:
    """The folder that WHEELHOUSE names.

    Raises:
        TrainyardError: there is none, or no wheel in it.
    """
    if not settings.wheelhouse:
        return None
    path = Path(settings.wheelhouse).expanduser()
    if not path.is_absolute():  # make works in more than one folder
        raise TrainyardError(f"WHEELHOUSE={settings.wheelhouse}: not a whole path", 'say WHEELHOUSE="$PWD/<folder>"')
    if not next(path.glob("*.whl"), None):
        what = "no wheels in it" if path.is_dir() else "no such folder"
        raise TrainyardError(
            f"WHEELHOUSE={settings.wheelhouse}: {what}", "fill it: make wheelhouse WHEELHOUSE=<folder>"
        )
    if ":" in str(path):
        raise TrainyardError(f"WHEELHOUSE={path}: a path with a colon cannot be mounted", "rename the folder")
    return path


def volumes(settings: NetworkSettings, folder: Path) -> list[str]:
    """What is mounted into a build: the folder that ``settings_folder`` gave, and the wheelhouse."""
    wheels = wheelhouse(settings)
    return [f"{folder}:{FOLDER}:ro", *([f"{wheels}:{WHEELS}:ro"] if wheels else [])]


def ca_bundle(settings: NetworkSettings) -> Path | None:
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
def settings_folder(settings: BuildSettings) -> Iterator[Path]:
    """A private folder with ``env``, ``ca.pem``, ``apt.conf`` and ``secrets``, to be mounted at ``FOLDER``; gone
    afterwards."""
    with tempfile.TemporaryDirectory(prefix="trainyard-build-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # s2i --as-dockerfile and rootless engines assemble as another uid
        (folder / Path(WHEELS).name).mkdir()
        environment = index_environment(settings, WHEELS)
        apt = [f'Acquire::Retries "{RETRIES}";']
        apt += [f'Acquire::{scheme}::Timeout "{settings.index_timeout}";' for scheme in ("http", "https")]
        apt += [f'Acquire::{scheme}::Proxy "{environment[f"{scheme}_proxy"]}";' for scheme in ("http", "https")
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
        write_secrets(settings, folder)
        for file in folder.iterdir():
            file.chmod(0o755 if file.is_dir() else 0o644)
        yield folder


def write_secrets(settings: NetworkSettings, folder: Path) -> None:
    """``secrets``: what assemble must not leave in an image, one a line. It is given nothing that it does not have
    already, and what it writes is newer than this file."""
    forms = [form for credential in given_to_builds(settings) for form in credential.searchable]
    (folder / "secrets").write_bytes(b"".join(form + b"\n" for form in forms))

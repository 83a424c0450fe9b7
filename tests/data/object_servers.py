"""Real servers of objects: versitygw for S3, Azurite for Azure Blob Storage."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from experiments.stores import BUCKET, object_store
from monorepo import ROOT, free_port
from needs import need
from waiting import until

# Azurite's own, in its documentation: there is no other account.
AZURE = {
    "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
    "AZURE_STORAGE_ACCOUNT_KEY": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"
    "KBHBeksoGMGw==",
}
__all__ = ["AZURE", "BUCKET", "azurite", "s3"]


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server whose bucket BUCKET is the folder of that name in ``folder``; the variables of a client of it."""
    with object_store(folder) as environ:
        yield {**environ, "AWS_ENDPOINT_URL": environ["MLFLOW_S3_ENDPOINT_URL"]}


@contextmanager
def azurite(folder: Path) -> Iterator[str]:
    """An Azure Blob server; its endpoint. Its account is of AZURE."""
    program = _azurite()
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    options = ["--blobPort", str(port), "--location", str(folder), "--silent", "--disableTelemetry"]
    log = (folder / "log").open("w")
    server = subprocess.Popen([program, *options, "--skipApiVersionCheck"], stdout=log, stderr=log)
    try:
        until(lambda: "successfully listens" in (folder / "log").read_text(), 60, (folder / "log").read_text)
        yield f"http://127.0.0.1:{port}/{AZURE['AZURE_STORAGE_ACCOUNT_NAME']}"
    finally:
        server.terminate()
        server.wait()
        log.close()


def _azurite() -> str:
    """The program; installed once for all clones where npm is here, as tools/azurite pins it."""
    if found := shutil.which("azurite-blob"):
        return found
    source = ROOT / "tools" / "azurite"
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "trainyard-tests" / "azurite"
    program = cache / "node_modules" / ".bin" / "azurite-blob"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pinned = (source / "package-lock.json").read_bytes()
        kept = cache / "package-lock.json"
        if program.exists() and kept.read_bytes() == pinned:
            return str(program)
        if not shutil.which("npm"):
            need("azurite-blob")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, cache)
        install = ["npm", "ci", "--prefix", str(cache), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        if subprocess.run(install, cwd=cache, check=False).returncode:
            kept.unlink()
            need("azurite-blob")
            pytest.skip("npm cannot install Azurite here")
    return str(program)

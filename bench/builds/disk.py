"""What images take on disk: each function makes what it needs, and gives two numbers of bytes that are compared."""

from __future__ import annotations

import json
import re

from bench.builds.cases import Workplace
from bench.builds.copies import Way, make, run
from trainyard.host.monorepo.model_dir import ROLES, read_model_dir
from trainyard.host.network.build_settings import ca_bundle, index_environment
from trainyard.settings.host import HostSettings

# Installs a lock as pip does by itself, with bytecode, and counts the bytes of the files.
INSTALLED = """set -e
python3 -m venv --without-pip /tmp/venv
uv pip install --quiet --compile-bytecode --python /tmp/venv/bin/python --require-hashes -r /tmp/requirements.lock
find /tmp/venv/lib/python*/site-packages -type f -printf '%s\\n' | awk '{ sum += $1 } END { print sum }'
"""


def unique_bytes(place: Workplace, count: int) -> tuple[int, int]:
    """Bytes of all images of a project with ``count`` models of equal requirements, the merged one included, and those
    of its largest image."""
    makefile = place.project / "all" / "Makefile"
    predict, train = (place.folder / f"requirements_{role}.txt" for role in ("predict", "train"))
    text = predict.read_text()
    predict.write_text(train.read_text())
    run(make(place.folder, place.way, "lock"))
    folders = [place.copy_model() for _ in range(count)]
    kept = makefile.read_text()
    makefile.write_text(
        re.sub("MODEL_DIRS *:=.*", f"MODEL_DIRS := {' '.join(folder.name for folder in folders)}", kept)
    )
    try:
        run(make(makefile.parent, place.way, "-j2", "build-all"))
        models = [read_model_dir(folder, place.root) for folder in folders]
        images = [model.image(role) for model in models for role in ROLES]
        images += [f"{place.prefix}-all"]
        largest = max(images, key=lambda image: _size(place.way, image))
        return _saved(place.way, images), _saved(place.way, [largest])
    finally:
        run(make(makefile.parent, place.way, "clean"))
        for folder in folders:
            place.remove_model(folder)
        predict.write_text(text)
        run(make(place.folder, place.way, "lock"))
        makefile.write_text(kept)


def predict_size(place: Workplace) -> tuple[int, int]:
    """Bytes of the predict image over its base, and those that its locked packages have once they are installed."""
    run(make(place.folder, place.way, "build-predict"))
    own = _size(place.way, place.model().image("predict")) - _size(place.way, "trainyard/base")
    settings = HostSettings.read()
    variables = index_environment(settings)
    mounts = [f"{place.folder / 'requirements_predict.lock'}:/tmp/requirements.lock:ro"]
    if bundle := ca_bundle(settings):
        mounts.append(f"{bundle}:/tmp/ca.pem:ro")
        variables["SSL_CERT_FILE"] = "/tmp/ca.pem"  # noqa: S108
    options = [part for mount in mounts for part in ("--volume", mount)]
    options += [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    command = [place.way.engine, "run", "--rm", "--user", "0", *options, "trainyard/base", "bash", "-c", INSTALLED]
    return own, int(run(command).split()[-1])


def _size(way: Way, image: str) -> int:
    return int(json.loads(run([way.engine, "image", "inspect", image]))[0]["Size"])


def _saved(way: Way, images: list[str]) -> int:
    """Bytes of all layers of ``images``, each once: an archive has them so."""
    multiple = ["--multi-image-archive"] if way.engine == "podman" else []
    counted = run(["bash", "-c", f"{way.engine} save {' '.join([*multiple, *images])} | wc -c"])
    return int(counted.split()[0])

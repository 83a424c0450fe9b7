"""RUNTIME_IMAGE: packages are compiled where there is a compiler, and run where there is none."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from engines.calls import call
from monorepo import Made, Model, Monorepo, ask, nobody_elses
from needs import need

from trainyard.host.support.context import OLDEST_TIME

pytestmark = pytest.mark.slow

# A package of one C file, that builds itself: nothing but a compiler and Python's headers has to be there.
C_SOURCE = """
#include <Python.h>
static PyObject *add(PyObject *self, PyObject *args) {
    double a, b;
    return PyArg_ParseTuple(args, "dd", &a, &b) ? PyFloat_FromDouble(a + b) : NULL;
}
static PyMethodDef methods[] = {{"add", add, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sumsinc", NULL, -1, methods};
PyMODINIT_FUNC PyInit_sumsinc(void) { return PyModule_Create(&module); }
"""
BACKEND = """
import base64, hashlib, subprocess, sysconfig, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    tag = f"cp{sysconfig.get_config_var('py_version_nodot')}"
    module = "sumsinc" + sysconfig.get_config_var("EXT_SUFFIX")
    include = sysconfig.get_path("include")
    subprocess.run(["gcc", "-shared", "-fPIC", "-I", include, "-o", module, "sumsinc.c"], check=True)
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    name = f"sumsinc-VERSION-{tag}-{tag}-{platform}.whl"
    info = "sumsinc-VERSION.dist-info/"
    files = {
        module: open(module, "rb").read(),
        info + "METADATA": b"Metadata-Version: 2.2\\nName: sumsinc\\nVersion: VERSION\\n",
        info + "WHEEL": f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}-{tag}-{platform}\\n".encode(),
    }
    lines = [f"{path},sha256={digest(content)},{len(content)}" for path, content in files.items()]
    files[info + "RECORD"] = "\\n".join([*lines, info + "RECORD,,", ""]).encode()
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
    return name

def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
# Others in each run: what was compiled once is in the package cache. The second one is not compiled.
VERSIONS = tuple(f"{int(time.time())}.{number}" for number in range(4))
COMPILERS = "cc gcc cpp ld as"


@dataclass(frozen=True)
class Yard:
    """A monorepo, an image with a compiler, one without, and where packages come from."""

    repo: Monorepo
    full: str
    slim: str
    wheels: Path

    def build(self, model: Model, **env: str) -> Made:
        settings = {
            "BASE_IMAGE": self.full, "RUNTIME_IMAGE": self.slim, "WHEELHOUSE": str(self.wheels), "BUILDER": "builtin",
        }  # fmt: skip
        return self.repo.make(model, "build-predict", **(settings | env))

    def add_model(self, name: str, version: str = VERSIONS[0]) -> Model:
        """One that needs the package that has to be compiled; its dependencies are nobody else's."""
        model = self.repo.add_model(name)
        line = nobody_elses(f"sumsinc=={version}")
        for role in ("train", "predict"):
            (model.path / f"requirements_{role}.txt").write_text(f"{line}\n")
        model.replace("predict.py", "import os\n", "import os\n\nimport sumsinc\n")
        model.replace("predict.py", "sum(row)", "sumsinc.add(*row)")
        return model


def engine(name: str) -> object:
    return pytest.param(name, marks=[pytest.mark.engine(name), pytest.mark.slow])


@pytest.fixture(scope="module", params=[engine("docker")])
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    need(request.param)
    repo = Monorepo(tmp_path_factory.mktemp("repo"), request.param)
    repo.make(None, "builders").succeeded()
    label = '{{index .Config.Labels "trainyard.base"}}'
    source = call(repo.engine, "image", "inspect", "--format", label, "trainyard/base").strip()
    full, slim = (f"{repo.prefix}-{kind}:1" for kind in ("full", "slim"))
    call(repo.engine, "tag", source, slim)
    _with_compiler(repo.engine, source, full)
    repo.make(repo.add_model("plain"), "lock").succeeded()
    wheels = tmp_path_factory.mktemp("wheels") / "wheels"
    repo.make(None, "wheelhouse", f"WHEELHOUSE={wheels}").succeeded()
    for version in VERSIONS:
        _write_sdist(wheels, version)
    yield Yard(repo, full, slim, wheels)
    repo.make(None, "clean")
    for image in (full, slim):
        call(repo.engine, "rmi", image)
    repo.make(None, "builders").succeeded()  # the names that people use are those of the usual base again


def _with_compiler(engine: str, source: str, image: str) -> None:
    script = "apt-get update -qq && apt-get install -qq -y --no-install-recommends gcc libc6-dev python3-dev"
    container = f"{image.partition(':')[0]}-making"
    try:
        done = subprocess.run(
            [engine, "run", "--name", container, source, "sh", "-c", script],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        call(engine, "commit", container, image)
    finally:
        call(engine, "rm", "--force", container)


def _write_sdist(folder: Path, version: str) -> None:
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: sumsinc\nVersion: {version}\n",
        "pyproject.toml": f'{PROJECT}[project]\nname = "sumsinc"\nversion = "{version}"\n',
        "backend.py": BACKEND.replace("VERSION", version),
        "sumsinc.c": C_SOURCE,
    }
    with tarfile.open(folder / f"sumsinc-{version}.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"sumsinc-{version}/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


@pytest.mark.parametrize("builder", ["builtin", pytest.param("s2i", marks=[pytest.mark.s2i, pytest.mark.nightly])])
def test_what_was_compiled_runs_without_a_compiler(yard: Yard, builder: str) -> None:
    if builder == "s2i":
        need("s2i")
    model = yard.add_model(f"compiled_by_{builder}")
    settings = {"BASE_IMAGE": yard.full, "RUNTIME_IMAGE": yard.slim, "WHEELHOUSE": str(yard.wheels)}
    (model.path / "setup.sh").write_text("echo a library > /usr/local/lib/native\nrm -rf /tmp/*\n")
    yard.build(model, BUILDER=builder).succeeded()
    image = f"{model.container}-predict"
    looked = f"command -v {COMPILERS}; ls /usr/include/stdio.h; cat /usr/local/lib/native; stat -c %Y /opt/venv /opt"
    run = ["run", "--rm", "--network", "none", "--entrypoint", "bash", image, "-c", f"{{ {looked}; }} 2>/dev/null"]
    assert call(yard.repo.engine, *run).splitlines()[:2] == ["a library", str(OLDEST_TIME)]
    assert "is up to date" in yard.build(model, BUILDER=builder).succeeded().err
    yard.repo.make(model, "train", BUILDER=builder, **settings).succeeded()
    with yard.repo.serving(model, BUILDER=builder, **settings) as port:
        assert '"predictions":[6.0]' in ask(port, f"{model.name}/predict", b'{"payload": {"instances": [[1, 2]]}}')[1]
    edited = model.path / "predict.py"
    edited.write_text(edited.read_text() + "# edited\n")
    assert "Installing dependencies" not in yard.build(model, BUILDER=builder).succeeded().err


def test_each_group_of_models_is_compiled_and_none_has_a_compiler(yard: Yard) -> None:
    names = ("older", "newer")
    for name, version in zip(names, VERSIONS[2:], strict=True):
        (yard.add_model(name, version).path / "setup.sh").write_text("echo a library >> /usr/local/lib/native\n")
    folder = yard.repo.add_all(models=" ".join(names))
    settings = {"BASE_IMAGE": yard.full, "RUNTIME_IMAGE": yard.slim, "WHEELHOUSE": str(yard.wheels)}
    build = ("build-image", "GROUPS=auto", "BUILDER=builtin")
    yard.repo.make(folder, *build, **settings).succeeded()
    look = ["run", "--rm", "--network", "none", "--entrypoint", "bash", yard.repo.container("sums-all"), "-c"]
    asked = "import importlib.metadata as m, sumsinc; print(m.version('sumsinc'), sumsinc.add(1, 2))"
    for venv, version in zip(("venv", "venv-2"), VERSIONS[2:], strict=True):
        assert call(yard.repo.engine, *look, f'/opt/{venv}/bin/python -c "{asked}"') == f"{version} 3.0\n"
    looked = f"command -v {COMPILERS}; cat /usr/local/lib/native; find /opt -newermt @315532801; ls -A /opt"
    shown = call(yard.repo.engine, *look, looked).split("\n")
    assert shown == ["a library", "trainyard", "venv", "venv-2", ""]
    edited = folder.with_name("newer") / "predict.py"
    edited.write_text(edited.read_text() + "# edited\n")
    output = yard.repo.make(folder, *build, **settings).succeeded().err
    assert output.count("installed already") == 2
    assert "Installing dependencies" not in output


def test_a_package_that_comes_as_source_says_which_settings_help(yard: Yard) -> None:
    model = yard.add_model("without", VERSIONS[1])
    made = yard.build(model, BASE_IMAGE=yard.slim, RUNTIME_IMAGE="")
    output = [line for line in made.err.splitlines() if line.startswith("error: ")]  # above it the package's own words
    assert len(output) == 1, made.err
    assert f"sumsinc=={VERSIONS[1]}` comes as source and needs a C compiler: set BASE_IMAGE" in output[0]


def test_another_runtime_is_another_image(yard: Yard) -> None:
    model = yard.add_model("moved")
    yard.build(model).succeeded()
    assert f"build {model.container}-predict" in yard.repo.make(
        None, "-n", "build-all", BASE_IMAGE=yard.full, RUNTIME_IMAGE="", WHEELHOUSE=str(yard.wheels), BUILDER="builtin"
    ).succeeded().out  # fmt: skip


def test_two_pythons_have_to_agree(yard: Yard) -> None:
    other = f"{yard.repo.prefix}-other:1"
    container = f"{yard.repo.prefix}-other"
    moved = "p=$(readlink -f /usr/bin/python3) && mv $p $p-moved && ln -sf $p-moved /usr/bin/python3"
    call(yard.repo.engine, "run", "--name", container, yard.slim, "sh", "-c", moved)
    try:
        call(yard.repo.engine, "commit", container, other)
        made = yard.build(yard.add_model("torn"), RUNTIME_IMAGE=other)
        made.failed("RUNTIME_IMAGE has Python 3.", "-moved", "BASE_IMAGE has Python 3.", "the same Python")
        assert "sumsinc" not in made.out
    finally:
        call(yard.repo.engine, "rm", "--force", container)
        call(yard.repo.engine, "rmi", "--force", other)


def test_a_runtime_that_cannot_be_had(yard: Yard) -> None:
    image = "127.0.0.1:9/none:1"
    yard.build(yard.add_model("nowhere"), RUNTIME_IMAGE=image).failed(f"RUNTIME_IMAGE={image}: ", "can be pulled")


def test_the_process_engine_says_that_it_has_none(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    made = repo.make(repo.add_model("local"), "build-predict", "RUNTIME_IMAGE=slim").succeeded()
    assert "warning: RUNTIME_IMAGE means nothing to the process engine" in made.err

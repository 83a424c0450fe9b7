"""``compute.yaml`` at the top of a monorepo: the computes by name, without any secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from trainyard.errors import TrainyardError
from trainyard.host.compute.store_check import check_stores
from trainyard.host.experiments.named_entries import NamedEntries, read_named
from trainyard.host.experiments.yaml_files import Section, YamlFile
from trainyard.host.network.registries import check_registry

FILE = "compute.yaml"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_MEMORY = re.compile(r"([1-9]\d*)([kmg])", re.IGNORECASE)
_TIME = re.compile(r"([1-9]\d*)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _memory(given: str) -> str:
    if given and not _MEMORY.fullmatch(given):
        raise ValueError("not an amount of memory, such as 16g")
    return given.lower()


def _time(given: str) -> str:
    if given and not _TIME.fullmatch(given):
        raise ValueError("not a time, such as 8h: a number, and s, m, h or d")
    return given


def _plain(given: str) -> str:
    """It becomes an argument of a program: never one that is taken for an option."""
    if given.startswith("-") or re.search(r"[\s\x00-\x1f\x7f]", given):
        raise ValueError("it begins with -, or holds a space")
    return given


def _dns(given: str) -> str:
    if given and not _DNS.fullmatch(given):
        raise ValueError("not a name of Kubernetes: small letters, digits and -")
    return given


def _registry(given: str) -> str:
    if given:
        check_registry(given)
    return given


def _named(given: str) -> str:
    if not given:
        raise ValueError("images reach a cluster by a registry, such as REGISTRY=registry.example.com/team")
    return given


Plain = Annotated[str, AfterValidator(_plain)]
DnsName = Annotated[str, AfterValidator(_dns)]
Registry = Annotated[str, AfterValidator(_registry)]


class Resources(Section):
    """What one training, or one worker of a tuning, gets. Nothing that is not said is limited, or asked for."""

    cpu: Annotated[float, Field(gt=0, strict=False)] | None = None
    memory: Annotated[str, AfterValidator(_memory)] = ""
    gpu: Annotated[int, Field(ge=0)] = 0
    time: Annotated[str, AfterValidator(_time)] = ""

    @property
    def seconds(self) -> int:
        """That it may take; 0: any."""
        found = _TIME.fullmatch(self.time)
        return int(found[1]) * _SECONDS[found[2]] if found else 0


class Entry(Section):
    """What every compute may have. ``limit``: jobs of the retrain service that run there at once."""

    registry: Registry = ""
    resources: Resources = Resources()
    limit: Annotated[int, Field(ge=1)] = 0

    @property
    def store(self) -> str:
        """The data store that keeps what trainings wrote; empty where there is none."""
        return ""


class _ByShell(Entry):
    """A folder, and an engine of containers in there; without a registry images are sent there as files."""

    folder: Plain = "trainyard"
    engine: Literal["docker", "podman"] = "docker"


class Local(_ByShell):
    """This machine: trainings that go on when make has ended."""

    kind: Literal["local"]


class Ssh(_ByShell):
    """A machine that ssh reaches. ``options`` are ssh's own."""

    kind: Literal["ssh"]
    host: Plain
    options: tuple[str, ...] = Field((), strict=False)


class Slurm(_ByShell):
    """A cluster of Slurm; ``host`` is where sbatch is called by ssh, ``folder`` is on every node."""

    kind: Literal["slurm"]
    host: Plain = ""
    options: tuple[str, ...] = Field((), strict=False)
    partition: Plain = ""
    account: Plain = ""


class Toleration(Section):
    """As Kubernetes has it."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class Storage(Section):
    """What outlasts pods: a PersistentVolumeClaim of the namespace, or a data store, by its name in datastores.yaml."""

    volume: DnsName = ""
    store: str = ""

    @model_validator(mode="after")
    def _one(self) -> Storage:
        if bool(self.volume) == bool(self.store):
            raise ValueError("write {volume: <claim>} or {store: <data store>}")
        return self


class Kubernetes(Entry):
    """A namespace of a cluster. ``queue`` is Kueue's."""

    kind: Literal["kubernetes"]
    registry: Annotated[Registry, AfterValidator(_named), Field(validate_default=True)] = ""
    context: Plain = ""
    namespace: DnsName = ""
    queue: DnsName = ""
    service_account: DnsName = ""
    pull_secret: DnsName = ""
    storage: Storage | None = None
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = Field((), strict=False)

    @field_validator("storage", mode="before")
    @classmethod
    def _copy(cls, given: object) -> object:
        return None if given == "copy" else given  # as it is without a word about it

    @property
    def claim(self) -> str:
        """The volume that keeps data, and what trainings wrote; empty where there is none."""
        return self.storage.volume if self.storage else ""

    @property
    def store(self) -> str:
        return self.storage.store if self.storage else ""


KINDS: Mapping[str, type[Local | Ssh | Slurm | Kubernetes]] = {
    "local": Local, "ssh": Ssh, "kubernetes": Kubernetes, "slurm": Slurm
}  # fmt: skip
AnyCompute = Local | Ssh | Slurm | Kubernetes


@dataclass(frozen=True)
class Computes(NamedEntries[AnyCompute]):
    """``compute.yaml``."""

    WHAT = "compute"
    HEADER = "# Where models are trained: docs/compute.md. `make computes` shows them. No secret belongs here.\n"
    ADDING = "compute-add NAME={name} KIND=..."


def check_name(name: object) -> None:
    """Raises:
    ValueError: it cannot be the name of a compute."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError("not the name of a compute: small letters, digits and -, such as lab")


def read_computes(root: Path) -> Computes:
    """The computes of the monorepo at ``root``; none where it has no such file.

    Raises:
        TrainyardError: naming file, line and fix.
    """
    path = root / FILE
    file = read_named(path, "computes", "<name>: {kind: ssh, host: ...}", check_name)
    if file is None:
        return Computes(path, {}, {})
    entries = {name: parse_entry(file, name, given) for name, given in file.content.items()}
    check_stores(root, file, {name: entry.store for name, entry in entries.items() if entry.store})
    return Computes(path, entries, {name: file.lines[(name,)] for name in entries})


def parse_entry(file: YamlFile, name: str, given: Any) -> AnyCompute:
    """One compute of a file.

    Raises:
        TrainyardError: naming file, line and fix.
    """
    kind = str(given.get("kind") or "") if isinstance(given, dict) else ""
    if kind not in KINDS:
        what = f"kind {kind!r} is none" if kind else "it has no kind"
        raise TrainyardError(f"{file.where((name, 'kind'))}: {name}: {what}", f"there are {', '.join(KINDS)}")
    if "storage" in given and kind != "kubernetes":
        where, fix = file.where((name, "storage")), "leave storage out; kind kubernetes alone can have one"
        raise TrainyardError(f"{where}: {name}: kind {kind} keeps data and results in a folder there", fix)
    lines = {place[1:]: line for place, line in file.lines.items() if place[0] == name}
    return replace(file, content=given, lines=lines).check(KINDS[kind])


def write_compute(root: Path, name: str, entry: AnyCompute) -> None:
    """Add one compute to the file, behind what is there.

    Raises:
        TrainyardError: the file has a mistake, or a compute of that name.
        OSError: it cannot be written.
    """
    content = {"kind": entry.kind, **entry.model_dump(exclude_defaults=True, exclude={"kind"}, mode="json")}
    read_computes(root).append(name, content)

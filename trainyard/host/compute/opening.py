"""A compute of compute.yaml, ready to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trainyard.host.compute.base import Compute
from trainyard.host.compute.compute_file import AnyCompute, Computes, Kubernetes, Local, Slurm, Ssh, read_computes
from trainyard.host.compute.kubernetes.in_store import InStore
from trainyard.host.compute.kubernetes.kubectl import Kubectl
from trainyard.host.compute.kubernetes.kubernetes_compute import KubernetesCompute
from trainyard.host.compute.shell.shell_compute import ShellCompute
from trainyard.host.compute.shell.slurm import SlurmCompute
from trainyard.host.compute.shell.transport import Shell
from trainyard.host.data.datastores import read_datastores
from trainyard.host.data.drivers import open_store
from trainyard.host.data.store import Store
from trainyard.host.support.command import Limit
from trainyard.host.support.reporter import Reporter
from trainyard.settings.compute import ComputeSettings
from trainyard.settings.data import DataSettings
from trainyard.settings.own_process import callers_environment


@dataclass(frozen=True)
class Opened:
    """A compute, and what compute.yaml says of it."""

    compute: Compute
    entry: AnyCompute


def open_compute(root: Path, name: str, settings: ComputeSettings, reporter: Reporter) -> Opened:
    """The compute of that name; it is asked nothing yet.

    Raises:
        TrainyardError: there is none, or compute.yaml has a mistake.
    """
    return opened(read_computes(root), name, settings, reporter)


def opened(computes: Computes, name: str, settings: ComputeSettings, reporter: Reporter) -> Opened:
    """The same, of a file that was read."""
    entry = computes.find(name)
    if isinstance(entry, Kubernetes):
        return Opened(_kubernetes(computes.path.parent, name, entry, settings, reporter), entry)
    return Opened(_by_shell(name, entry, settings, reporter), entry)


def _by_shell(name: str, entry: Local | Ssh | Slurm, settings: ComputeSettings, reporter: Reporter) -> Compute:
    host, options = ("", ()) if isinstance(entry, Local) else (entry.host, entry.options)
    shell = Shell(name, host, options, *_limits(settings))
    common = name, entry.kind, shell, entry.folder, entry.engine, entry.registry, settings.compute_timeout, reporter
    if isinstance(entry, Slurm):
        return SlurmCompute(*common, entry.partition, entry.account, entry.resources)
    return ShellCompute(*common)


def _kubernetes(
    root: Path, name: str, entry: Kubernetes, settings: ComputeSettings, reporter: Reporter
) -> Compute:  # fmt: skip
    kubectl = Kubectl(name, entry.context, entry.namespace, *_limits(settings))
    data = DataSettings.read()

    @cache
    def open_one(store: str) -> Store:
        return open_store(store, read_datastores(root), callers_environment(), data)

    in_store = InStore(entry.store, open_one, kubectl, settings.link_margin, data, reporter) if entry.store else None
    return KubernetesCompute(name, entry, kubectl, settings.compute_timeout, settings.wait_timeout, reporter, in_store)


def _limits(settings: ComputeSettings) -> tuple[Limit, Limit]:
    return Limit("CALL_TIMEOUT", settings.call_timeout), Limit("COPY_TIMEOUT", settings.copy_timeout)

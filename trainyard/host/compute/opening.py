"""A compute of compute.yaml, ready to be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.host.compute.base import Compute
from trainyard.host.compute.compute_file import AnyCompute, Computes, Kubernetes, Local, Slurm, Ssh, read_computes
from trainyard.host.compute.kubernetes.kubectl import Kubectl
from trainyard.host.compute.kubernetes.kubernetes_compute import KubernetesCompute
from trainyard.host.compute.shell.shell_compute import ShellCompute
from trainyard.host.compute.shell.slurm import SlurmCompute
from trainyard.host.compute.shell.transport import Shell
from trainyard.host.support.command import Limit
from trainyard.host.support.reporter import Reporter
from trainyard.settings.compute import ComputeSettings


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
    return Opened(_KINDS[type(entry)](name, entry, settings, reporter), entry)


def _by_shell(name: str, entry: Local | Ssh | Slurm, settings: ComputeSettings, reporter: Reporter) -> Compute:
    host, options = ("", ()) if isinstance(entry, Local) else (entry.host, entry.options)
    shell = Shell(name, host, options, *_limits(settings))
    common = name, entry.kind, shell, entry.folder, entry.engine, entry.registry, settings.compute_timeout, reporter
    if isinstance(entry, Slurm):
        return SlurmCompute(*common, entry.partition, entry.account, entry.resources)
    return ShellCompute(*common)


def _kubernetes(name: str, entry: Kubernetes, settings: ComputeSettings, reporter: Reporter) -> Compute:
    kubectl = Kubectl(name, entry.context, entry.namespace, *_limits(settings))
    return KubernetesCompute(name, entry, kubectl, settings.compute_timeout, settings.wait_timeout, reporter)


def _limits(settings: ComputeSettings) -> tuple[Limit, Limit]:
    return Limit("CALL_TIMEOUT", settings.call_timeout), Limit("COPY_TIMEOUT", settings.copy_timeout)


_KINDS: Mapping[type[AnyCompute], Callable[[str, Any, ComputeSettings, Reporter], Compute]] = {
    Local: _by_shell, Ssh: _by_shell, Slurm: _by_shell, Kubernetes: _kubernetes,
}  # fmt: skip

"""What the verbs about computes listen to."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class ComputeSettings(FromEnvironment):
    """Settings of trainings on other machines."""

    compute: str = setting(
        "COMPUTE", "", "where make train runs: a name in compute.yaml; default: this machine", "COMPUTE_NAME"
    )
    nodes: int = setting(
        "NODES", 0, "make tune: workers on the compute, each on a machine of its own; default: WORKERS, else one"
    )
    retries: int = setting(
        "RETRIES", 2, "how often a training, or a trial, begins again that lost its machine, not by its own fault"
    )
    compute_timeout: int = setting(
        "COMPUTE_TIMEOUT", 300, "seconds for which a compute may not answer, before what runs there is left alone"
    )
    call_timeout: int = setting("CALL_TIMEOUT", 60, "seconds that one call of a compute may take: ssh, kubectl, sbatch")
    copy_timeout: int = setting(
        "COPY_TIMEOUT", 3600, "seconds that an image, data or results may take on their way to a compute, or back"
    )
    wait_timeout: int = setting(
        "WAIT_TIMEOUT", 86400, "seconds that a training may wait on a compute, for a free place or to be fetched"
    )
    link_margin: int = setting(
        "LINK_MARGIN", 21600, "seconds beyond `resources.time` that links to a compute's data store are good for"
    )


@dataclass(frozen=True)
class NewComputeSettings(FromEnvironment):
    """What make compute-add is told."""

    kind: str = setting("KIND", "", "make compute-add: local, ssh, kubernetes or slurm")
    host: str = setting("HOST", "", "make compute-add: the machine as ssh knows it; of slurm: default this machine")
    folder: str = setting("FOLDER", "", "make compute-add: the folder there that trainings run in; default: trainyard")
    context: str = setting("CONTEXT", "", "make compute-add: the context of kubectl; default: the current one")
    namespace: str = setting("NAMESPACE", "", "make compute-add: the namespace; default: that of the context")
    partition: str = setting("PARTITION", "", "make compute-add: the partition of Slurm; default: its own default")


@dataclass(frozen=True)
class RegistrySettings(FromEnvironment):
    """Where images are pushed to."""

    registry: str = setting(
        "REGISTRY", "", "make compute-add, make push: host:port/path that images are pushed to; make push: or COMPUTE's"
    )
    tag: str = setting("TAG", "", "make push: the tag of the images; default: the commit that they are of")

"""Where an experiment file has its training run, by how many workers, and for how many trials."""

from __future__ import annotations

from dataclasses import replace

from trainyard.errors import TrainyardError
from trainyard.host.compute.compute_file import FILE, read_computes
from trainyard.host.experiments.experiment_file import ExperimentFile
from trainyard.host.operations.session import Session
from trainyard.settings.compute import ComputeSettings


def computing_of(session: Session, asked: ExperimentFile) -> ComputeSettings:
    """COMPUTE and NODES win over the file; an empty COMPUTE= is this machine.

    Raises:
        TrainyardError: its compute is none of compute.yaml.
    """
    given, content = session.computing, asked.experiment
    if not given.compute and content.compute_name and "COMPUTE" not in session.repository.overrides:
        given = replace(given, compute=_known(session, asked))
    return given if given.nodes else replace(given, nodes=content.nodes)


def _known(session: Session, asked: ExperimentFile) -> str:
    """The name that the file has, of a compute that there is."""
    name, where = asked.experiment.compute_name, asked.file.where(("compute_name",))
    computes = read_computes(session.repository.root)
    if name in computes.entries:
        return name
    if computes.entries:
        fix = f"{FILE} has {', '.join(computes.entries)}; COMPUTE=<name> takes one, COMPUTE= trains on this machine"
        raise TrainyardError(f"{where}: there is no compute {name}", fix)
    # The file may be another repository's, whose computes nobody here has.
    session.reporter.warn(f"{where}: COMPUTE_NAME means nothing here: there is no {FILE}, so this machine trains")
    return ""


def searched_by(session: Session, asked: ExperimentFile) -> Session:
    """The same with the number of trials: TRIALS, else the file's own key, else, here, NODES, which was that once."""
    content = asked.experiment
    trials = session.experiments.trials or content.trials
    if content.hypertune and content.nodes and not session.computing.compute:
        where = asked.file.where(("nodes",))
        if trials:
            session.reporter.warn(f"{where}: NODES means nothing on this machine: WORKERS is the number of workers")
        else:
            session.reporter.warn(f"{where}: NODES is taken for the number of trials on this machine: TRIALS says that")
            trials = content.nodes
    return replace(session, given=replace(session.experiments, trials=trials))

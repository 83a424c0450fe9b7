"""What a training is made from, as one digest: two of the same need not be trained twice for one package."""

from __future__ import annotations

import json

from trainyard.contract.files import dataset_files, sha256_of_dataset
from trainyard.host.experiments.parameters import defaults_of, read_tuned
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.build import plan_model
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import own_payload
from trainyard.host.operations.training_data import data_of
from trainyard.host.requirements.errors import Unresolved
from trainyard.host.support.digests import digest_of


def inputs_of(session: Session, model: ModelDir) -> str:
    """Over sources, requirements, parameters and data.

    Raises:
        TrainyardError: the data is not there, or the requirements cannot be resolved.
    """
    try:
        lock = session.known_resolver.model_lock(model, "train")
    except Unresolved:
        lock = session.resolver.model_lock(model, "train")
    plan = plan_model(model, "train", lock, bake=False)
    data = data_of(session, model, own_payload(session, model))
    parameters = (defaults_of(model), read_tuned(model), dict(data.payload), dict(data.tags))
    texts = [json.dumps(one, sort_keys=True, default=str) for one in parameters]
    path = model.project / str(data.payload.get("$ref", ""))
    local = sha256_of_dataset(path, dataset_files(path)) if not data.datasets and path.exists() else ""
    return digest_of(session.engine.builder.identity(plan), *texts, local)[:32]

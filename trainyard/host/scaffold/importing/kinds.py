"""The kinds of sources, in the order in which they are asked."""

from __future__ import annotations

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing import bentoml_project, cog_project, max_repository, mlflow_folder
from trainyard.host.scaffold.importing.functions import kind as functions
from trainyard.host.scaffold.importing.historical import kind as historical
from trainyard.host.scaffold.importing.kind import Kind
from trainyard.host.scaffold.importing.source_tree import SourceTree

KINDS = (
    historical.KIND, mlflow_folder.KIND, cog_project.KIND, bentoml_project.KIND, max_repository.KIND, functions.KIND,
)  # fmt: skip


def kind_of(tree: SourceTree) -> Kind:
    """Raises:
    TrainyardError: nothing that we know; says what was looked for.
    """
    if found := next((kind for kind in KINDS if kind.recognises(tree)), None):
        return found
    known = "; ".join(f"{kind.name}: {kind.looks_like}" for kind in KINDS)
    raise TrainyardError(f"FROM={tree.label}: nothing there that can be imported", f"known are {known}")

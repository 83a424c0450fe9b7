"""What make prune takes and leaves; a part of every engine's contract."""

from __future__ import annotations

import re
import uuid
from typing import ClassVar

import pytest
from monorepo import Model, Monorepo

from trainyard.host.engines import ENGINES
from trainyard.host.monorepo.repository import Repository
from trainyard.host.support.command import Commands
from trainyard.settings.host import HostSettings


class PrunedDependencies:
    """Seen in a dry run and removed one by one: other tests, and other clones, share docker's and podman's images."""

    variables: ClassVar[dict[str, str]]

    @pytest.mark.slow
    def test_dependencies_that_nothing_is_built_on_can_go(self, repo: Monorepo) -> None:
        models = [repo.add_model(f"pruned{number}") for number in range(2)]
        for model in models:
            self.depend_on_its_own(model)
        keys = []
        for model in models:
            made = repo.make(model, "build-predict", **self.variables).succeeded()
            keys += re.findall(r"Installing dependencies ([0-9a-f]{16}) \.\.\.$", made.err, re.MULTILINE)
        assert len(keys) == 2
        assert not [name for name in self.shown(repo) for key in keys if key in name], "what images are built on"
        repo.make(models[0], "clean").succeeded()
        unused = [name for name in self.shown(repo) if keys[0] in name]
        assert unused
        if repo.engine != "process":  # whose dependencies are one clone's alone
            kept = [name for name in self.shown(repo, PRUNE_AGE="3600") if keys[0] in name]
            assert kept == [], "what another clone may have installed for its next build"
        engine = ENGINES[repo.engine](repo.engine, Repository(repo.path, {}), HostSettings(), Commands())
        for name in unused:
            assert engine.images.remove_unused(name)
        assert not [name for name in self.shown(repo) for key in keys if key in name]
        repo.make(models[1], "build-predict", "FORCE=1", **self.variables).succeeded()
        made = repo.make(models[0], "build-predict", **self.variables).succeeded()
        assert f"Installing dependencies {keys[0]}" in made.err

    def depend_on_its_own(self, model: Model) -> None:
        (model.path / "setup.sh").write_text(f"true {uuid.uuid4()}\n")

    def shown(self, repo: Monorepo, **env: str) -> dict[str, str]:
        """What make prune would remove, and how large it is."""
        made = repo.make(None, "-n", "prune", **{"PRUNE_AGE": "0", **env}).succeeded()
        return dict(re.findall(rf"^remove (\S+) \({repo.engine}, (\d+ MB)\)$", made.out, re.MULTILINE))

import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from engines.contract.bills_of_materials import BillsOfMaterials
from engines.contract.building import EngineContract
from engines.contract.killed_builds import kill_in_the_middle
from engines.contract.pruning import PrunedDependencies
from monorepo import Model, Monorepo, ask

from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import SILENT


class TestProcess(BillsOfMaterials, PrunedDependencies, EngineContract):
    engine = "process"

    def check_confinement(self, facts: dict[str, Any]) -> None:
        """A process has the rights of whoever started it."""
        assert facts["user"] == [os.getuid(), os.getgid()]
        assert "." in facts["writable"]

    def check_write(self, status: int, logs: str) -> None:
        assert status == 200

    def check_training(self, printed: str) -> None:
        assert f'"user": {os.getuid()}' in printed

    def label_of(self, repo: Monorepo, model: Model) -> str:
        return str(self._image(repo, model)["labels"].get("trainyard.model.sha256", ""))

    def identity_of(self, repo: Monorepo, image: str) -> str:
        path = repo.path / ".trainyard" / "process" / "images" / image / "image.json"
        return str(json.loads(path.read_text())["identity"])

    def replace_binary(self, repo: Monorepo, model: Model) -> None:
        folder = repo.path / ".trainyard" / "process" / self._image(repo, model)["build"] / "models"
        for path in (model.binary, model.record):
            shutil.copy(path, folder / path.name)

    def depend_on_its_own(self, model: Model) -> None:
        (model.path / "requirements_predict.txt").write_text(f"tinydb==4.8.{model.name[-1]}\n")

    @pytest.mark.slow
    def test_prune_frees_room(self, repo: Monorepo) -> None:
        model = repo.add_model("frugal")
        (model.path / "requirements_predict.txt").write_text("tinydb==4.7.1\n")
        repo.make(model, "build-predict").succeeded()
        model.binary.parent.mkdir(exist_ok=True)
        model.binary.write_bytes(pickle.dumps({"factor": 2}))
        folder = self._venv(repo, model)
        (folder / "ballast").write_bytes(bytes(3_000_000))
        repo.make(model, "train").succeeded()
        with repo.serving(model):
            model.replace("requirements_predict.txt", "4.7.1", "4.8.0")
            repo.make(model, "build-predict").succeeded()
            repo.make(None, "prune").succeeded()
            assert folder.is_dir(), "a server that runs uses it"
        with locked(repo.path / ".trainyard" / "locks" / "process-x.lock", "a test", Limit("", 0), SILENT):
            repo.make(None, "prune").failed("a build of this monorepo is under way")
        made = repo.make(None, "prune").succeeded()
        assert not folder.exists()
        assert int(re.search(r"Freed: (\d+) MB", made.err)[1]) >= 3
        assert "Nothing to remove" in repo.make(None, "prune").succeeded().err
        repo.make(model, "predict", "-n").succeeded()

    def _venv(self, repo: Monorepo, model: Model) -> Path:
        return repo.path / ".trainyard" / "process" / self._image(repo, model)["venv"]

    def _image(self, repo: Monorepo, model: Model) -> dict[str, Any]:
        images = repo.path / ".trainyard" / "process" / "images"
        return dict(json.loads((images / f"{model.container}-predict" / "image.json").read_text()))

    def test_it_says_that_it_does_not_confine(self, repo: Monorepo, model: Model) -> None:
        words = "is not confined: the process engine runs it with all of your rights"
        assert words in repo.make(model, "-n", "predict").succeeded().err
        assert words not in repo.make(model, "-n", "predict", "HARDENED=0").succeeded().err

    @pytest.mark.slow
    def test_an_edit_starts_no_installer(self, repo: Monorepo, tmp_path: Path) -> None:
        """uv makes its cache as soon as it is asked to install anything."""
        model = repo.add_model("counted")
        repo.make(model, "build-predict").succeeded()
        shutil.rmtree(self._venv(repo, model))
        for cache, used in ((tmp_path / "first", True), (tmp_path / "edit", False)):
            model.replace("predict.py", "factor * ", "factor * 1 * ")
            repo.make(model, "build-predict", UV_CACHE_DIR=str(cache)).succeeded()
            assert cache.exists() == used

    def test_setup_sh_is_not_run_and_says_so(self, repo: Monorepo) -> None:
        model = repo.add_model("native")
        (model.path / "setup.sh").write_text("#!/bin/bash\ntouch ran\nexit 1\n")
        made = repo.make(model, "build-predict").succeeded()
        assert f"setup.sh of {model.container}-predict is not run" in made.err

    @pytest.mark.slow
    def test_a_server_survives_a_rebuild_of_its_image(self, repo: Monorepo) -> None:
        model = repo.add_model("steady")
        repo.make(model, "train").succeeded()
        with repo.serving(model) as port:
            model.replace("predict.py", "factor * sum(row)", "0")
            repo.make(model, "build-predict").succeeded()
            body = b'{"payload": {"instances": [[1, 2]]}}'
            assert ask(port, "steady/predict", body) == (200, '{"payload":{"predictions":[6]}}')

    def test_folders_of_a_killed_build_are_removed_by_the_next(self, repo: Monorepo, tmp_path: Path) -> None:
        """They have the sources, and credentials of the build."""
        model = repo.add_model("shot")
        kill_in_the_middle(repo, model, TMPDIR=str(tmp_path))
        assert list(tmp_path.glob("trainyard-*"))
        repo.make(model, "build-predict", TMPDIR=str(tmp_path)).succeeded()
        assert not list(tmp_path.glob("trainyard-*"))

    def test_the_callers_environment_stays_outside(self, repo: Monorepo) -> None:
        """As in a container: nothing that is set in the caller's shell reaches the model."""
        model = repo.add_model("secluded")
        model.replace(
            "train.py", "rows = ", "import os\n    assert 'SECRET_OF_THE_SHELL' not in os.environ\n    rows = "
        )
        repo.make(model, "train", SECRET_OF_THE_SHELL="1").succeeded()

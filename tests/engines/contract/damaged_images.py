"""Dependency images that are not what they were when they were made."""

from __future__ import annotations

import uuid
from typing import ClassVar

import pytest
from engines.calls import call
from monorepo import Model, Monorepo

LABEL = '{{index .Config.Labels "io.openshift.s2i.build.image"}}'
# A command, with {} for the folder of packages, and the file that is named then.
DAMAGES = (
    ("truncate -s 10 {}/flask/app.py", "flask/app.py"),
    ("find /opt/venv -type f -exec truncate -s 0 '{{}}' +", ".trainyard-deps"),
    ("rm -r {}/flask", "flask/"),
    ("find {}/orjson -name '*.pyc' -exec truncate -s 0 '{{}}' +", "orjson/__pycache__"),
    ("truncate -s 0 /opt/venv/.trainyard-files", ".trainyard-files"),
)


class DamagedImages:
    """For engines with images: each is noticed, reported, and made anew."""

    engine: ClassVar[str]
    variables: ClassVar[dict[str, str]]

    @pytest.mark.slow
    def test_a_name_that_was_given_to_another_image(self, repo: Monorepo) -> None:
        model, builder, dependencies = self._built(repo, "moved")
        for name in (builder, dependencies):
            call(self.engine, "tag", "trainyard/base", name)
        output = self._edited(repo, model)
        for name in (builder, dependencies):
            assert f"warning: {name} is not the image that was built under this name: it is built again" in output
        assert "is not the image" not in self._edited(repo, model)

    @pytest.mark.slow
    @pytest.mark.parametrize("damages", [DAMAGES[:2], pytest.param(DAMAGES[2:], marks=pytest.mark.nightly)], ids=len)
    def test_files_that_are_damaged(self, repo: Monorepo, damages: tuple[tuple[str, str], ...]) -> None:
        """One kind after the other: each build makes anew what the next one damages."""
        model, builder, _ = self._built(repo, f"files{len(damages)}")
        container = f"{model.container}-damaging"
        for damage, file in damages:
            command = f"site=$(echo /opt/venv/lib/python3*/site-packages); {damage.format('$site')}"
            run = ["run", "--name", container, "--user", "0", "--network", "none"]
            call(self.engine, *run, builder, "bash", "-c", command)
            call(self.engine, "commit", container, builder)
            call(self.engine, "rm", container)
            output = self._edited(repo, model)
            assert f"warning: {builder}: /opt/venv: what is installed is damaged (" in output, output
            assert file in output
        assert "what is installed is damaged" not in self._edited(repo, model)

    def _built(self, repo: Monorepo, name: str) -> tuple[Model, str, str]:
        """A model whose dependencies are nobody else's, what its image was built on, and what that stands on."""
        model = repo.add_model(f"damaged_{name}")
        (model.path / "setup.sh").write_text(f"true {uuid.uuid4()}\n")
        repo.make(model, "build-predict", **self.variables).succeeded()
        output = call(self.engine, "image", "inspect", "--format", LABEL, f"{model.container}-predict").strip()
        builder = output.removeprefix("docker.io/")
        return model, builder, builder.rsplit("-", 2)[0]

    def _edited(self, repo: Monorepo, model: Model) -> str:
        """What a build of an edit says; its image serves."""
        with (model.path / "predict.py").open("a") as file:
            file.write(f"# {uuid.uuid4()}\n")
        made = repo.make(model, "build-predict", **self.variables).succeeded()
        image = f"{model.container}-predict"
        check = "import flask, gunicorn, orjson; print(orjson.dumps(1))"
        run = ["run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", check]
        assert call(self.engine, *run).strip() == "b'1'"
        return made.err

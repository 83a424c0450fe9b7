"""The same sources give the same files, to the last byte and second."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import uuid
from pathlib import Path
from typing import IO, Any, ClassVar

from engines.calls import call
from monorepo import Monorepo

# Made by the engine when a container is created, which moves the times of the folders that they are in.
ENGINES_OWN = ("dev", "proc", "sys", ".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab",
               "run/.containerenv", "run/secrets")  # fmt: skip


class ReproducibleImages:
    """For engines with images."""

    engine: ClassVar[str]
    variables: ClassVar[dict[str, str]]

    def test_two_builds_of_the_same_sources_have_the_same_files(self, repo: Monorepo) -> None:
        model = repo.add_model("same")
        (model.path / "requirements_predict.txt").write_text("iniconfig==2.0.0\nsix\n# same\n")
        image = f"{model.container}-predict"
        listings = []
        for _ in range(2):
            repo.make(model, "build-predict", **self.variables).succeeded()
            listings.append(self._files(image))
            for name in (image, *self._below(image)):
                call(self.engine, "rmi", "--force", name)
        self._compare(*listings)

    def test_dependencies_of_another_version_get_todays_library(self, repo: Monorepo, tmp_path: Path) -> None:
        """Without being installed again; and there is what there would be if they had come with it."""
        model = repo.add_model("upgraded")
        (model.path / "setup.sh").write_text(f"true {uuid.uuid4()}\n")  # dependencies that no other test has
        image = f"{model.container}-predict"
        repo.make(model, "build-predict", **self.variables).succeeded()
        expected = self._files(image)
        builder, dependencies = self._below(image)
        (tmp_path / "gone.py").write_text("VALUE = 1\n")
        container = call(self.engine, "create", dependencies).strip()
        call(self.engine, "cp", str(tmp_path / "gone.py"), f"{container}:/opt/trainyard/lib/trainyard/gone.py")
        call(self.engine, "commit", "--change", "LABEL trainyard.library=older", container, dependencies)
        for arguments in (("rm", container), ("rmi", "--force", image), ("rmi", "--force", builder)):
            call(self.engine, *arguments)
        made = repo.make(model, "build-predict", **self.variables).succeeded()
        assert "Installing dependencies" not in made.err
        self._compare(expected, self._files(image))

    def _below(self, image: str) -> tuple[str, str]:
        """The image that it is built on, and that of its dependencies."""
        label = '{{index .Config.Labels "io.openshift.s2i.build.image"}}'
        builder = call(self.engine, "image", "inspect", "--format", label, image).strip().removeprefix("docker.io/")
        return builder, "-".join(builder.split("-")[:-2])

    def _compare(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        assert len(first) > 1000
        differing = [(path, found, second.get(path)) for path, found in first.items() if second.get(path) != found]
        assert not differing, differing[:5]
        assert first.keys() == second.keys()

    def _files(self, image: str) -> dict[str, Any]:
        container = call(self.engine, "create", image).strip()
        try:
            with subprocess.Popen([self.engine, "export", container], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                return dict(_entries(process.stdout))
        finally:
            call(self.engine, "rm", "--force", container)


def _entries(stream: IO[bytes]) -> Any:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").rstrip("/")
            if path.startswith(ENGINES_OWN) or path in ("", "etc", "run"):
                continue
            file = archive.extractfile(member) if member.isfile() else None
            content = hashlib.sha256(file.read()).hexdigest() if file else member.linkname
            yield member.name, (member.type, oct(member.mode), member.uid, member.gid, int(member.mtime), content)

"""The same sources give the same files, to the last byte and second."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from typing import IO, Any, ClassVar

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
            builder = self._ask(
                "image", "inspect", "--format", '{{index .Config.Labels "io.openshift.s2i.build.image"}}', image
            )
            self._ask("rmi", "--force", image)
            name = builder.strip().removeprefix("docker.io/")
            self._ask("rmi", "--force", name, "-".join(name.split("-")[:-2]))
        first, second = listings
        assert len(first) > 1000
        differing = [(path, found, second.get(path)) for path, found in first.items() if second.get(path) != found]
        assert not differing, differing[:5]
        assert first.keys() == second.keys()

    def _files(self, image: str) -> dict[str, Any]:
        container = self._ask("create", image).strip()
        try:
            with subprocess.Popen([self.engine, "export", container], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                return dict(_entries(process.stdout))
        finally:
            self._ask("rm", "--force", container)

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run([self.engine, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _entries(stream: IO[bytes]) -> Any:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").rstrip("/")
            if path.startswith(ENGINES_OWN) or path in ("", "etc", "run"):
                continue
            file = archive.extractfile(member) if member.isfile() else None
            content = hashlib.sha256(file.read()).hexdigest() if file else member.linkname
            yield member.name, (member.type, oct(member.mode), member.uid, member.gid, int(member.mtime), content)

"""setup.sh of a model, where there are images; a part of the contract of engines with containers."""

from __future__ import annotations

from typing import ClassVar

from engines.calls import inside
from monorepo import Monorepo

from trainyard.host.engines.container.assembling import CACHE_VOLUME

COUNTING = r"""#!/bin/bash
set -e
mv /usr/local/bin/uv /opt/uv
printf '#!/bin/bash\necho "started: $1" >>/opt/started\nexec /opt/uv "$@"\n' >/usr/local/bin/uv
chmod +x /usr/local/bin/uv
"""


class SetupScripts:
    """What engines with containers do with setup.sh."""

    variables: ClassVar[dict[str, str]]

    def test_setup_sh_is_run_as_root_before_the_requirements(self, repo: Monorepo) -> None:
        model = repo.add_model("native")
        (model.path / "setup.sh").write_text(
            '#!/bin/bash\nset -e\n[ $(id -u) = 0 ]\ncp "$(dirname "$0")/native.txt" /opt/native\nrm -rf /tmp/*\n'
        )
        (model.path / "native.txt").write_text("made\n")
        model.replace("train.py", "rows = ", "assert open('/opt/native').read() == 'made\\n'\n    rows = ")
        repo.make(model, "train", **self.variables).succeeded()

    def test_an_edit_starts_no_installer(self, repo: Monorepo) -> None:
        """uv is replaced by a program that counts how often it is started, in the image of the dependencies."""
        model = repo.add_model("counted")
        (model.path / "setup.sh").write_text(COUNTING)
        for edit in ("1 + factor * sum(row)", "2 + factor * sum(row)"):
            repo.make(model, "build-predict", **self.variables).succeeded()
            counted = inside(repo.engine, f"{model.container}-predict", "cat /opt/started /usr/local/bin/uv")
            assert counted.splitlines().count("started: pip") == 1, counted
            assert "exec /opt/uv" in counted, "uv is still replaced"
            model.replace("predict.py", "factor * sum(row)", edit)

    def test_nothing_that_setup_sh_leaves_behind_stays_in_the_image(self, repo: Monorepo) -> None:
        model = repo.add_model("messy")
        left = [
            "/var/lib/apt/lists/deb.example_Packages", "/var/cache/apt/archives/gcc.deb", "/var/cache/apt/pkgcache.bin",
            "/tmp/scratch/object.o", "/tmp/.hidden", "/var/tmp/unpacked", "/root/.cache/pip/http/a",
            "/root/.cache/uv/b", "/var/log/apt/history.log", "/var/log/dpkg.log",
        ]  # fmt: skip
        kept = ["/var/lib/native", "/opt/native", "/root/.config/native", "/var/cache/native"]
        lines = [f"mkdir -p $(dirname {path}) && echo left > {path}" for path in [*left, *kept]]
        (model.path / "setup.sh").write_text("\n".join(["set -e", *lines, "touch /var/cache/trainyard/native"]))
        repo.make(model, "build-train", **self.variables).succeeded()
        command = f"ls -d {' '.join([*left, *kept])} /var/cache/trainyard/* 2>/dev/null; find /tmp -mindepth 1"
        found = inside(repo.engine, f"{model.container}-train", f"{{ {command}; }} || true").split()
        # s2i has these folders in /tmp itself.
        assert sorted(path for path in found if not path.startswith(("/tmp/.s2i", "/tmp/scripts"))) == sorted(kept)
        volume = ("--volume", CACHE_VOLUME)
        cached = inside(repo.engine, f"{model.container}-train", "ls /var/cache/trainyard", *volume)
        assert {"uv", "native"} <= set(cached.split()), "what is mounted is not the image's"

    def test_a_failing_setup_sh_is_one_line(self, repo: Monorepo) -> None:
        model = repo.add_model("broken")
        (model.path / "setup.sh").write_text("#!/bin/bash\necho no such library >&2\nexit 7\n")
        made = repo.make(model, "build-predict", **self.variables)
        made.failed("setup.sh: failed with status 7")
        assert "no such library" in made.err

from typing import ClassVar

import pytest
from engines.contract import EngineContract
from monorepo import Monorepo


class SetupScripts:
    """What engines with containers do with setup.sh."""

    variables: ClassVar[dict[str, str]]

    def test_setup_sh_is_run_as_root_before_the_requirements(self, repo: Monorepo) -> None:
        model = repo.add_model("native")
        (model.path / "setup.sh").write_text(
            "#!/bin/bash\nset -e\n[ $(id -u) = 0 ]\necho made > /opt/native\nrm -rf /tmp/*\n"
        )
        model.replace("train.py", "rows = ", "assert open('/opt/native').read() == 'made\\n'\n    rows = ")
        repo.make(model, "train", **self.variables).succeeded()

    def test_a_failing_setup_sh_is_one_line(self, repo: Monorepo) -> None:
        model = repo.add_model("broken")
        (model.path / "setup.sh").write_text("#!/bin/bash\necho no such library >&2\nexit 7\n")
        made = repo.make(model, "build-predict", **self.variables)
        made.failed("setup.sh: failed with status 7")
        assert "no such library" in made.err


@pytest.mark.engine("docker")
class TestDocker(SetupScripts, EngineContract):
    engine = "docker"
    programs = ("docker",)
    variables: ClassVar[dict[str, str]] = {"BUILDER": "builtin"}


@pytest.mark.s2i
class TestDockerWithS2i(SetupScripts, EngineContract):
    """The same, with images built by the real s2i."""

    engine = "docker"
    programs = ("docker", "s2i")
    variables: ClassVar[dict[str, str]] = {"BUILDER": "s2i"}

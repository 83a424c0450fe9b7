"""How the process engine installs and assembles: the builder images' own scripts with their roots moved into its state.

builders/<digest>/{home,train,daemon}   $TRAINYARD_HOME and the s2i scripts of each role
deps/<hash>/                            a virtual environment with one lock installed; groups of models have several
"""

from __future__ import annotations

import compileall
import contextlib
import errno
import os
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import uv

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.build.builder_files import BUILDERS, base_context, library_context, role_context
from trainyard.host.engines.base import BuildPlan
from trainyard.host.engines.build_errors import CAUSES
from trainyard.host.engines.container.leftovers import new_name, noted, remove_leftovers
from trainyard.host.engines.process.environment import STAMP, clean_environment, venv_variables
from trainyard.host.monorepo.model_dir import Role
from trainyard.host.monorepo.repository import Repository
from trainyard.host.network.build_settings import ca_bundle, index_environment, write_secrets
from trainyard.host.support.command import Commands, Limit
from trainyard.host.support.context import Context, make_context, text_file
from trainyard.host.support.digests import digest_of
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import Reporter
from trainyard.settings.host import BuildSettings

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH  # the folder's name says what it holds
# Where assemble expects what it must not find on a host: what save-artifacts saved.
NOWHERE = "/nonexistent/trainyard"


@dataclass(frozen=True)
class ProcessAssembler:
    """Makes virtual environments, and images out of sources, below the folder ``state``."""

    state: Path
    repository: Repository
    settings: BuildSettings
    commands: Commands

    @property
    def reporter(self) -> Reporter:
        return self.commands.reporter

    def short(self, path: Path) -> Path:
        """A path below the monorepo, as messages show it."""
        return path.relative_to(self.repository.state.parent)

    @cached_property
    def _contexts(self) -> dict[str, Context]:
        home = make_context([*base_context().files, *library_context().files])
        return {"home": home, **{folder: role_context(role) for role, folder in BUILDERS.items()}}

    @cached_property
    def builder(self) -> Path:
        digest = digest_of(*(context.sha256 for context in self._contexts.values()))
        return self.state / "builders" / digest[:16]

    def ensure_builders(self) -> None:
        if self.builder.is_dir() or self.commands.dry_run:
            return
        with self._scratch(self.builder) as folder:
            for name, context in self._contexts.items():
                context.write(folder / name)
            compileall.compile_dir(folder / "home" / "lib", quiet=2, invalidation_mode=UNCHECKED)

    def venvs(self, plan: BuildPlan) -> list[Path]:
        """The virtual environments of the plan's locks; they hold for this Python and this place alone."""
        base = base_context().sha256
        own = (base, sys.version, sys.base_prefix, str(self.state))
        return [self.state / "deps" / digest_of(*own, packages)[:16] for packages in plan.packages]

    def ensure_dependencies(self, plan: BuildPlan, *, anew: bool = False) -> list[Path]:
        """The virtual environments of the plan's locks; a stamp in each says that it is complete. ``anew``: made also
        then."""
        venvs = self.venvs(plan)
        for venv, packages in zip(venvs, plan.packages, strict=True):
            with self.locked(f"deps-{venv.name}", f"the dependencies {venv.name}"):
                if anew or not (venv / STAMP).is_file():
                    with self.reporter.waiting(f"Installing dependencies {venv.name} ..."):
                        self._make_venv(venv)
                        context = make_context(
                            [text_file("requirements.lock", packages.encode()), *plan.beside(packages)]
                        )
                        self.assemble(context, plan.role, [venv], self.state / "unused", installing=True)
        return venvs

    def _make_venv(self, venv: Path) -> None:
        if not self.commands.dry_run:
            shutil.rmtree(venv, ignore_errors=True)
        limit = Limit("BUILD_TIMEOUT", self.settings.build_timeout)
        self.commands.run(
            [uv.find_uv_bin(), "venv", "--quiet", "--python", str(Path(sys.executable).resolve()), str(venv)], limit
        )

    def assemble(
        self, context: Context, role: Role, venvs: list[Path], app_root: Path, *, installing: bool = False
    ) -> None:  # fmt: skip
        """Run assemble. Only what installs is given index, proxies and caches: a model's own code, which the check
        imports, learns no credentials."""
        script = str(self.builder / BUILDERS[role] / "s2i" / "bin" / "assemble")
        with (
            tempfile.TemporaryDirectory(prefix="trainyard-src-") as sources,
            tempfile.TemporaryDirectory(prefix="trainyard-build-") as settings,
            _disk_full_explained(self.state),
            self._noted(Path(sources), Path(settings)),
        ):
            context.write(Path(sources))
            if installing:
                write_secrets(self.settings, Path(settings))  # all others are in the environment
            roots = {
                "S2I_SOURCES": sources,
                "S2I_ARTIFACTS": NOWHERE,
                "BUILD_SETTINGS": settings,
                "TRAINYARD_HOME": str(self.builder / "home"),
                "APP_ROOT": str(app_root),
                **venv_variables(venvs),
            }
            environment = clean_environment(venvs[0]) | (self._for_installing() if installing else {})
            limit = Limit("BUILD_TIMEOUT", self.settings.build_timeout)
            moved = [f"{name}={value}" for name, value in roots.items()]
            arguments = ["dependencies"] if installing else []
            self.commands.stream(["env", *moved, "bash", script, *arguments], limit, env=environment, causes=CAUSES)

    @contextlib.contextmanager
    def _noted(self, *folders: Path) -> Iterator[None]:
        """Should this process be killed, the next build removes ``folders``."""
        if self.commands.dry_run:
            yield
            return
        self.remove_leftovers()
        with noted(self._notes, new_name(), *folders):
            yield

    def remove_leftovers(self) -> None:
        """What builds that were killed have left; the process engine has no containers for them."""
        remove_leftovers(self._notes, lambda _: False, self.reporter)

    @property
    def _notes(self) -> Path:
        return self.repository.state / "containers" / "process"

    def _for_installing(self) -> dict[str, str]:
        """Of the bytecode there is a cache beside uv's own; where it cannot be made, there is none."""
        answer = self.commands.query([uv.find_uv_bin(), "cache", "dir"])
        cache = answer.stdout.strip() if answer else str(self.state / "cache")
        bytecode = Path(cache).parent / "trainyard"
        with contextlib.suppress(OSError):
            bytecode.mkdir(exist_ok=True)
        environment = {
            **index_environment(self.settings),
            "UV_CACHE_DIR": cache,
            "TRAINYARD_CACHE": str(bytecode),
            "PATH": f"{Path(uv.find_uv_bin()).parent}:{os.environ.get('PATH', os.defpath)}",
        }
        if self.settings.ca_bundle and (bundle := ca_bundle(self.settings)):
            environment["SSL_CERT_FILE"] = str(bundle)
        return environment

    def locked(self, key: str, what: str) -> contextlib.AbstractContextManager[None]:
        if self.commands.dry_run:
            return contextlib.nullcontext()
        limit = Limit("LOCK_TIMEOUT", self.settings.lock_timeout)
        return locked(self.repository.state / "locks" / f"process-{key}.lock", what, limit, self.reporter)

    @contextlib.contextmanager
    def _scratch(self, target: Path) -> Iterator[Path]:
        """A folder that becomes ``target`` when the block is through."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            yield Path(name) / "new"
            with contextlib.suppress(OSError):  # somebody else was faster: theirs has the same content
                (Path(name) / "new").rename(target)


@contextlib.contextmanager
def _disk_full_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TrainyardError(f"{folder}: {error.strerror}", "free some disk space", EXIT_FAILED) from None

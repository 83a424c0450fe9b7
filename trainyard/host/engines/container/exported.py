"""Images of docker or podman on their way to another engine: by a registry, or as a file."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.container.assembling import Assembler
from trainyard.host.engines.container.insecure import insecure
from trainyard.host.support.command import Limit

_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_REFUSED = re.compile("denied|unauthorized|authentication required|no basic auth", re.IGNORECASE)
_TAG = 12  # digits of the id


@dataclass(frozen=True)
class ContainerImage:
    """The image ``id`` of the engine of ``assembler``; ``name`` is what people call it."""

    assembler: Assembler
    name: str
    id: str

    def push(self, registry: str, tag: str = "") -> str:
        repository = f"{registry}/{self.name.partition(':')[0]}"
        reference = f"{repository}:{tag or self.id.removeprefix('sha256:')[:_TAG]}"
        if self.assembler.commands.dry_run:
            self._call("push", *insecure(self.assembler.name, registry), reference)
            return reference
        key = f"push-{reference}".replace("/", "_")
        # Of two that push the same, the first would take the name away from the second.
        with self.assembler.locked(key, f"the push of {reference}", for_all=True):
            self._call("tag", self.id, reference)
            try:
                with self.assembler.reporter.waiting(f"Pushing {self.name} to {registry} ..."):
                    return f"{repository}@{self._pushed(registry, reference)}"
            finally:
                self.assembler.commands.query([self.assembler.name, "rmi", reference])

    def _pushed(self, registry: str, reference: str) -> str:
        """podman writes the digest to a file, docker at the end of what it prints."""
        options = insecure(self.assembler.name, registry)
        if self.assembler.name == "podman":
            with tempfile.NamedTemporaryFile() as file:
                self._call("push", *options, "--digestfile", file.name, reference)
                return Path(file.name).read_text().strip()
        if found := _DIGEST.search(printed := self._call("push", *options, reference)):
            return found[1]
        message = f"{self.assembler.name} push {reference} printed no digest: {printed[-200:]}"
        raise TrainyardError(message, exit_code=EXIT_FAILED)

    def saved(self) -> list[str]:
        return [self.assembler.name, "save", self.id]

    def _call(self, *arguments: str) -> str:
        limit = Limit("BUILD_TIMEOUT", self.assembler.settings.build_timeout)
        try:
            return self.assembler.commands.run([self.assembler.name, *arguments], limit)
        except TrainyardError as error:
            if not _REFUSED.search(error.message):
                raise
            registry = arguments[-1].partition("/")[0]
            raise TrainyardError(error.message, f"{self.assembler.name} login {registry}", error.exit_code) from None

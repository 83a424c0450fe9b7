"""make sbom: a CycloneDX bill of materials for each image."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.host.build.builder_files import BUILDERS
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.image_to_run import image_to_run, merged_image_to_run
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def sbom_model(session: Session, model: ModelDir) -> None:
    """Of a model's two images; one that is missing or stale is built first."""
    for role in BUILDERS:
        _write(session, image_to_run(session, model, role).name)


def sbom_all(session: Session, folder: Path) -> None:
    """Of the image of an ``all/`` folder."""
    _write(session, merged_image_to_run(session, folder).name)


def _write(session: Session, image: str) -> None:
    path = session.repository.state / "sbom" / f"{image.replace('/', '%')}.cdx.json"
    facts = session.engine.images.facts(image)
    if session.commands.dry_run:
        console.result(f"write {session.short(path)}")
        return
    from trainyard.host.build.sbom import bill_of_materials  # takes longer to import than all others together

    path.parent.mkdir(parents=True, exist_ok=True)
    found = session.engine.images.find(image)
    write_whole(path, bill_of_materials(image, found.labels if found else {}, facts))
    session.reporter.step(f"Wrote {session.short(path)}")

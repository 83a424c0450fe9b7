"""The bill of materials of an image: from what is installed in it (``builders/facts.py``) to a CycloneDX document.

Equal images have equal documents: sorted, without a time, and with a serial number that follows from the content.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from trainyard.host.build.baked_files import LABEL_BAKED

LONGEST_LICENCE = 60  # characters; some packages have the whole text where its name belongs
OURS = ("trainyard.", "org.opencontainers.")  # labels that say where an image came from
NAMESPACE = uuid.UUID("6d1d9d4e-52a4-4b0c-9f5f-0f6a6b7c3a11")  # of our serial numbers
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill_of_materials(image: str, labels: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """The document, as JSON text."""
    bom = Bom()
    bom.metadata.component = root = _image(image, labels)
    hashes = _locked_hashes(facts["lock"])
    others = [
        *_python(facts),
        *(_system_package(fields, facts["os"]) for fields in facts["system"]),
        *_binaries(labels),
    ]
    for component in others:
        bom.components.add(component)
    known: dict[str, Component] = {}  # two environments may have one package in one version, or in two
    for installed in facts["environments"]:
        _add_environment(bom, installed, hashes, known)
    bom.register_dependency(root, [*known.values(), *others])
    return _reproducible(bom)


def _add_environment(
    bom: Bom, installed: list[Mapping[str, Any]], hashes: Mapping[tuple[str, str], list[str]],
    known: dict[str, Component],
) -> None:  # fmt: skip
    """The packages of one environment and what each needs there; ``known`` has those of all, by their purl."""
    packages: dict[str, Component] = {}
    for fields in installed:
        component = _python_package(fields, hashes)
        component = known.setdefault(str(component.purl), component)
        bom.components.add(component)
        packages[canonicalize_name(fields["name"])] = component
    for fields in installed:
        needed = {canonicalize_name(name) for name in _required(fields["requires"])}
        own = packages[canonicalize_name(fields["name"])]
        bom.register_dependency(own, [packages[name] for name in sorted(needed & packages.keys())])


def _reproducible(bom: Bom) -> str:
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.serial_number = uuid.UUID(int=0)
    bom.serial_number = uuid.uuid5(NAMESPACE, JsonV1Dot6(bom).output_as_string(indent=2))
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _image(image: str, labels: Mapping[str, str]) -> Component:
    ours = sorted((key, value) for key, value in labels.items() if key.startswith(OURS))
    return Component(
        type=ComponentType.CONTAINER,
        name=image,
        version=labels.get("org.opencontainers.image.revision"),
        bom_ref="image",
        properties=[Property(name=key, value=value) for key, value in ours],
    )


def _python_package(fields: Mapping[str, Any], hashes: Mapping[tuple[str, str], list[str]]) -> Component:
    name, version = canonicalize_name(fields["name"]), fields["version"]
    purl = PackageURL("pypi", None, name, version)
    sha256 = [HashType(alg=HashAlgorithm.SHA_256, content=text) for text in hashes.get((name, version), [])]
    # The lock has a hash for each archive of a version; one of them was installed, and no other would have been.
    locked = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/project/{name}/{version}/"),
        comment="the archives that the lock allows",
        hashes=sha256,
    )
    return Component(
        name=fields["name"], version=version, description=fields["summary"] or None, purl=purl, bom_ref=str(purl),
        licenses=_licences(fields), external_references=[locked] if sha256 else [],
    )  # fmt: skip


def _licences(fields: Mapping[str, Any]) -> list[License]:
    """An SPDX expression where the package gives one; else its classifiers; else a text that is short enough for a
    name."""
    factory = LicenseFactory()
    text = fields["licence_text"].strip()
    if fields["licence"]:
        return [factory.make_from_string(fields["licence"])]
    if fields["licences"]:
        return [factory.make_with_name(name) for name in sorted(set(fields["licences"]))]
    return [factory.make_from_string(text)] if 0 < len(text) <= LONGEST_LICENCE and "\n" not in text else []


def _python(facts: Mapping[str, Any]) -> Iterator[Component]:
    version = facts["python"]
    purl = PackageURL("generic", None, "python", version)
    yield Component(type=ComponentType.PLATFORM, name="python", version=version, purl=purl, bom_ref=str(purl))


def _system_package(fields: Mapping[str, str], release: Mapping[str, str]) -> Component:
    vendor = release.get("ID", "debian")
    qualifiers = {"arch": fields["architecture"], "distro": f"{vendor}-{release.get('VERSION_ID', '')}".rstrip("-")}
    purl = PackageURL("deb", vendor, fields["package"], fields["version"], qualifiers)
    return Component(name=fields["package"], version=fields["version"], purl=purl, bom_ref=str(purl))


def _binaries(labels: Mapping[str, str]) -> Iterator[Component]:
    """The files of models that were baked into the image."""
    for item in filter(None, labels.get(LABEL_BAKED, "").split(",")):
        quoted, _, sha256 = item.partition("=")
        name = unquote(quoted)
        model = not name.endswith(".json")
        yield Component(
            type=ComponentType.MACHINE_LEARNING_MODEL if model else ComponentType.DATA,
            name=f"models/{name}", bom_ref=f"models/{name}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        )  # fmt: skip


def _locked_hashes(lock: str) -> dict[tuple[str, str], list[str]]:
    """The hashes that a lock allows, by name and version."""
    found: dict[tuple[str, str], list[str]] = {}
    hashes: list[str] = []
    for line in lock.splitlines():
        if pinned := _PINNED.match(line):
            hashes = found.setdefault((canonicalize_name(pinned[1]), pinned[2]), [])
        hashes += _HASH.findall(line)
    return found


def _required(requires: list[str]) -> Iterator[str]:
    """The names of what a package needs, but for its extras'."""
    for line in requires:
        requirement, _, marker = line.partition(";")
        if "extra" not in marker and (name := re.match(r"[A-Za-z0-9._-]+", requirement.strip())):
            yield name[0]

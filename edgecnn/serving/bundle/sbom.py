"""``sbom.cdx.json``: the CycloneDX bill of materials of a bundle, its packages and its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgecnn.serving.bundle.packages import OWN_NAME, Package
from edgecnn.serving.short_hash import short_hash

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

__all__ = ["SBOM", "sbom_json"]

SBOM = "sbom.cdx.json"


def sbom_json(packages: Sequence[Package], models: Mapping[str, str], version: int) -> str:
    """The bill of materials in CycloneDX 1.6, as JSON text.

    Args:
        packages: what is installed on the device, EdgeCNN first.
        models: SHA-256 of the model files, by their names in the bundle.
        version: of the bundle.
    """
    # Inside: of the extra `serve`, and slow to import
    from cyclonedx.model.bom import Bom  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.output import make_outputter  # noqa: PLC0415
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415

    bom = Bom()
    root = Component(name="edgecnn-bundle", version=str(version), type=ComponentType.APPLICATION, bom_ref="bundle")
    bom.metadata.component = root
    known = {package.name: _package(package) for package in packages}
    models_ = [_model(file, sha256) for file, sha256 in sorted(models.items())]
    for component in (*known.values(), *models_):
        bom.components.add(component)
    bom.register_dependency(root, [known[OWN_NAME], *models_])
    for package in packages:
        bom.register_dependency(known[package.name], [known[name] for name in package.requires if name in known])
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def _package(package: Package) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    kind = ComponentType.APPLICATION if package.name == OWN_NAME else ComponentType.LIBRARY
    licenses = [] if package.license is None else [LicenseFactory().make_from_string(package.license)]
    purl = PackageURL("pypi", None, package.name, package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=kind,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=licenses,
    )


def _model(file: str, sha256: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    return Component(
        name=file,
        version=short_hash(sha256),
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{file}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
    )

"""What an export holds beside the model: the names of its documents. It writes nothing."""

from __future__ import annotations

CARD = "README.md"
LICENSE = "LICENSE"
NOTICE = "NOTICE"
LICENSES = "LICENSES"
ASSESSMENT = "assessment.json"
COMPONENTS = "components.json"
MANIFEST = "MANIFEST.json"
SPDX = "sbom.spdx.json"
CYCLONEDX = "sbom.cdx.json"
REPORTS = {"ja": "license-report.ja.html", "en": "license-report.en.html"}
"""Language -> file."""


def license_file(license_id: str) -> str:
    """Where the text of a licence lies."""
    return f"{LICENSES}/{license_id}.txt"

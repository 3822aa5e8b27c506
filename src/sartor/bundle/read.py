"""Reading what stands beside the models in a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sartor.bundle.manifest import check_files, read_manifest


def read_evidence(folder: Path) -> dict[str, Any]:
    """The evidence of a bundle, checked against its checksum.

    Raises:
        BundleError: no bundle, or the evidence is missing or changed.
    """
    check_files(folder, read_manifest(folder), ("evidence.json",))
    found: dict[str, Any] = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    return found

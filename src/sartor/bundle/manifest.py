"""`bundle.json`: what a bundle says of itself. Read with care, since others may have touched it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sartor.errors import BundleError
from sartor.model.values import Signature
from sartor.plan.candidates import Candidate

SCHEMA_VERSION = 1
FILE_NAME = "bundle.json"


class VariantEntry(BaseModel):
    """One variant of a bundle.

    `files` are relative to the bundle; the first is the one the runtime opens, and the files of its steps are
    among them. `reduced_precision` is true when it computes in anything but f32, so that it must be proved on
    each kind of processor. `output` is the number of the output that was judged and is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    candidate: dict[str, Any]
    files: tuple[str, ...]
    size_bytes: int
    reduced_precision: bool
    signature: dict[str, Any]
    steps: tuple[dict[str, Any], ...]
    scores: Literal["logits", "probabilities"]
    output: int = 0


class Manifest(BaseModel):
    """Everything in `bundle.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: int
    sartor_version: str
    outcome: str
    provisional: bool
    task: str
    kind: str
    classes: tuple[str, ...]
    chosen: str
    variants: dict[str, VariantEntry]
    isa_class: str
    machine: dict[str, Any]
    data_hashes: dict[str, str]
    sha256: dict[str, str]
    superseded: dict[str, str] = {}


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read and check `bundle.json`; files are not looked at.

    Raises:
        BundleError: no bundle, not readable, of a newer version, or with paths that lead outside.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        raise BundleError(f"`{folder}` is no bundle: it has no {FILE_NAME}", "a folder written by `sartor fit`")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        version = values.get("schema_version")
        if version != SCHEMA_VERSION:
            raise BundleError(f"`{file}` has schema version {version}", f"version {SCHEMA_VERSION}", "update sartor")
        manifest = Manifest.model_validate(values)
        _check_variants(manifest)
        _refuse_outside(folder, manifest)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        first = str(error).split("\n")[0]
        raise BundleError(f"`{file}` cannot be read: {first}", "the file as `sartor fit` wrote it") from None
    return manifest


def _check_variants(manifest: Manifest) -> None:
    if manifest.chosen not in manifest.variants:
        raise BundleError(f"the chosen variant `{manifest.chosen}` is not in the bundle", "one of its variants")
    for name, entry in manifest.variants.items():
        Candidate.from_dict(entry.candidate)
        if not entry.files or not Signature.from_dict(entry.signature).inputs:
            raise BundleError(f"variant `{name}` has no file or no input", "the file as `sartor fit` wrote it")


def _refuse_outside(folder: Path, manifest: Manifest) -> None:
    names = [*manifest.sha256, *(name for entry in manifest.variants.values() for name in entry.files)]
    root = folder.resolve()
    for name in names:
        if not (root / name).resolve().is_relative_to(root):
            raise BundleError(f"`{name}` in {FILE_NAME} leads outside the bundle", "paths inside it")


def check_files(folder: Path, manifest: Manifest, names: tuple[str, ...] | None = None) -> None:
    """Compare checksums; all files unless `names` are given.

    Raises:
        BundleError: a file is missing or changed; says which.
    """
    for name in names if names is not None else tuple(manifest.sha256):
        path = folder / name
        if name not in manifest.sha256 or not path.is_file():
            raise BundleError(f"`{name}` is missing from `{folder}`", "every file the bundle was written with")
        found = file_hash(path)
        if found not in (manifest.sha256[name], manifest.superseded.get(name)):
            raise BundleError(
                f"`{name}` in `{folder}` has changed since the bundle was written (sha256 {found[:12]}..., "
                f"expected {manifest.sha256[name][:12]}...)",
                "unchanged files",
                "copy the bundle again, or run `sartor fit` again",
            )

"""Write a bundle so that at every instant, also under kill -9, the folder holds a usable one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from sartor.bundle.manifest import FILE_NAME, SCHEMA_VERSION, Manifest, VariantEntry, file_hash
from sartor.bundle.values import Variant
from sartor.figures import without_infinities
from sartor.model.values import Signature
from sartor.need import Need
from sartor.steps import step_files, with_files


@dataclass(frozen=True)
class Part:
    """A variant with what is needed to feed it."""

    variant: Variant
    signature: Signature
    steps: tuple[dict[str, Any], ...]
    scores: Literal["logits", "probabilities"]  # what the outputs are, decided on many rows
    output: int = 0  # number of the judged output


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle. `parts` holds the chosen variant and those worth keeping beside it."""

    outcome: str
    provisional: bool
    chosen: str
    parts: Mapping[str, Part]
    classes: tuple[str, ...]
    machine: Mapping[str, Any]
    isa_class: str
    data_hashes: Mapping[str, str]
    evidence: Mapping[str, Any]


def write_bundle(folder: Path, contents: Contents, need: Need) -> None:
    """Write or replace the bundle in `folder`.

    Model files get in first, under names that no earlier bundle used for other bytes; `bundle.json` is
    replaced last but for what it makes obsolete, which is removed after it. Evidence changes under a
    manifest that accepts both its old and its new checksum.
    """
    entries = {name: _place(folder, part) for name, part in contents.parts.items()}
    need_file, evidence_file = folder / "need.yaml", folder / "evidence.json"
    superseded = {file.name: file_hash(file) for file in (need_file, evidence_file) if file.exists()}
    fresh = {
        need_file.name: _draft(folder, _need_text(need)),
        evidence_file.name: _draft(folder, _json_text(contents.evidence)),
    }
    hashes = {name: file_hash(folder / name) for entry in entries.values() for name in entry.files}
    hashes |= {name: file_hash(draft) for name, draft in fresh.items()}
    manifest = _manifest(contents, entries, hashes, need)
    if superseded:
        _replace(folder / FILE_NAME, manifest.model_copy(update={"superseded": superseded}))
    for name, draft in fresh.items():
        draft.replace(folder / name)
    _replace(folder / FILE_NAME, manifest)
    _remove_obsolete(folder, {Path(name).parts[1] for entry in entries.values() for name in entry.files})


def _need_text(need: Need) -> str:
    import yaml

    return yaml.safe_dump(need.as_dict(), sort_keys=False, allow_unicode=True)


def _json_text(values: Mapping[str, Any]) -> str:
    return json.dumps(without_infinities(values), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _manifest(
    contents: Contents, entries: Mapping[str, VariantEntry], hashes: Mapping[str, str], need: Need
) -> Manifest:
    return Manifest(
        schema_version=SCHEMA_VERSION,
        sartor_version=version("sartor"),
        outcome=contents.outcome,
        provisional=contents.provisional,
        task=need.task,
        kind=need.kind,
        classes=contents.classes,
        chosen=contents.chosen,
        variants=dict(entries),
        isa_class=contents.isa_class,
        machine=dict(contents.machine),
        data_hashes=dict(contents.data_hashes),
        sha256=dict(hashes),
    )


def _place(folder: Path, part: Part) -> VariantEntry:
    """Copy a variant's files under a name made of its bytes; a finished copy is left as it is, if undamaged."""
    candidate = part.variant.candidate
    main = part.variant.path
    beside = sorted(file for file in main.parent.iterdir() if file != main and file.is_file())
    files = {file.name: file for file in (main, *beside)}
    declared = {file: f"step-{number}-{file.name}" for number, file in enumerate(step_files(part.steps))}
    files |= {name: file for file, name in declared.items()}
    hashes = {name: file_hash(file) for name, file in files.items()}
    digest = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()[:8]
    home = folder / "variants" / f"{candidate.id}-{digest}"
    if home.exists() and any(_hash_in(home, name) != expected for name, expected in hashes.items()):
        home = home.with_name(f"{candidate.id}-{uuid.uuid4().hex[:8]}")
    if not home.exists():
        draft = folder / "variants" / f".draft-{uuid.uuid4().hex}"
        draft.mkdir(parents=True)
        for name, file in files.items():
            shutil.copyfile(file, draft / name)
        draft.replace(home)
    return VariantEntry(
        candidate=candidate.as_dict(),
        files=tuple(str((home / name).relative_to(folder)) for name in files),
        size_bytes=part.variant.size_bytes,
        reduced_precision=candidate.recipe.quantizes or candidate.settings.precision != "f32",
        signature=part.signature.as_dict(),
        steps=with_files(part.steps, {file: str((home / name).relative_to(folder)) for file, name in declared.items()}),
        scores=part.scores,
        output=part.output,
    )


def _hash_in(home: Path, name: str) -> str | None:
    return file_hash(home / name) if (home / name).is_file() else None


def _draft(folder: Path, text: str) -> Path:
    draft = folder / f".draft-{uuid.uuid4().hex}"
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _replace(file: Path, manifest: Manifest) -> None:
    _draft(file.parent, _json_text(manifest.model_dump(mode="json"))).replace(file)


def _remove_obsolete(folder: Path, kept: set[str]) -> None:
    for home in (folder / "variants").iterdir():
        if home.name not in kept:
            shutil.rmtree(home, ignore_errors=True)
    for draft in folder.glob(".draft-*"):
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()

"""A Bundle is a folder that runs: load it and predict on what you have."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sartor.bundle.manifest import Manifest, VariantEntry, check_files, read_manifest
from sartor.bundle.read import read_evidence
from sartor.errors import BundleError
from sartor.machine.device import this_machine
from sartor.model.values import Signature
from sartor.plan.candidates import Candidate
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Session
from sartor.runtime.shapes import shaped
from sartor.steps import prepare_for, read_steps, to_labels
from sartor.steps.prepared import Prepared

Takes = Literal["text", "audio", "images", "numbers"]
_TAKEN: dict[str, Takes] = {"tokenise": "text", "decode_audio": "audio", "decode_image": "images"}


class Bundle:
    """A loaded bundle. Make it with `Bundle.load`.

    >>> bundle = Bundle.load("out")            # doctest: +SKIP
    >>> bundle.predict("scan.png")             # doctest: +SKIP
    [{'label': 'normal', 'probability': 0.98}]
    """

    def __init__(self, folder: Path, manifest: Manifest, variant: str, session: Session) -> None:
        self.folder = folder
        self.manifest = manifest
        self.variant = variant
        entry = manifest.variants[variant]
        self.signature = Signature.from_dict(entry.signature)
        self._output = entry.output
        self._session = session
        self._steps = read_steps(entry.steps, folder)
        candidate = Candidate.from_dict(entry.candidate)
        self._settings = candidate.settings
        # int8 dynamic scales its activations by what is in a call, so calls are as large as when it was proved.
        dynamic = any(step.name == "int8-dynamic" for step in candidate.recipe.effective)
        self._fills = candidate.settings.shape != "dynamic"
        self._rows_a_call = candidate.settings.batch if self._fills or dynamic else None

    @classmethod
    def load(cls, folder: str | Path, variant: str | None = None) -> Bundle:
        """Load the chosen variant, or the one named.

        Raises:
            BundleError: no bundle, a changed file, an unknown variant, or a reduced-precision variant
                that was proved on another kind of processor only.
        """
        path = Path(folder)
        manifest = read_manifest(path)
        name = variant or manifest.chosen
        if name not in manifest.variants:
            raise BundleError(f"no variant `{name}` in `{path}`", ", ".join(manifest.variants))
        entry = manifest.variants[name]
        check_files(path, manifest, entry.files)
        _check_processor(path, manifest, name, entry)
        candidate = Candidate.from_dict(entry.candidate)
        session = open_runtime(candidate.runtime).load(path / entry.files[0], candidate.settings)
        return cls(path, manifest, name, session)

    @property
    def takes(self) -> Takes:
        """What a user gives it, by its first step."""
        first = next(iter(self.manifest.variants[self.variant].steps), {})
        return next((kind for name, kind in _TAKEN.items() if name in first), "numbers")

    def prepare(self, value: Any) -> Prepared:
        """What the model takes, out of what a user has: see `sartor.steps.prepare_for`."""
        return prepare_for(self._steps, value, self.signature.taken)

    def outputs(self, value: Any) -> Array:
        """The judged output (n, ...) of the model for one row or many.

        Raises:
            InputError: the value does not fit the model; shows expected and got.
        """
        return self.run(self.prepare(value))[self._output]

    def run_prepared(self, batch: Prepared) -> Array:
        """The judged output for rows that are prepared already."""
        return self.run(batch)[self._output]

    def run_named(self, arrays: Mapping[str, Array]) -> list[Array]:
        """All outputs, in the order of `signature`, for prepared arrays (n, ...) of one length."""
        return self.run(Prepared(arrays))

    def run(self, batch: Prepared) -> list[Array]:
        """All outputs for prepared rows; a compiled shape is fed in full calls."""
        size = self._rows_a_call or len(batch)
        collected: list[list[Array]] = []
        for first in range(0, len(batch), size):
            rows = np.arange(first, min(first + size, len(batch)))
            fed = batch.take(np.resize(rows, size) if self._fills else rows)
            outputs = self._session.run(shaped(fed, self._settings))
            collected.append([np.array(output[: len(rows)], copy=True) for output in outputs])
        return [np.concatenate(parts) for parts in zip(*collected, strict=True)]

    def predict(self, value: Any) -> list[dict[str, Any]]:
        """One answer a row: `{"label", "probability"}`, or `{"value"}` for a regression."""
        return self.label(self.outputs(value))

    def label(self, outputs: Array) -> list[dict[str, Any]]:
        """What outputs (n, ...) mean, one answer a row."""
        if self.manifest.task == "feature-extraction":
            return [{"features": row.tolist()} for row in outputs]
        return to_labels(outputs, self.manifest.classes, self.manifest.variants[self.variant].scores)

    @property
    def evidence(self) -> dict[str, Any]:
        """What was measured, checked against its checksum."""
        return read_evidence(self.folder)


def _check_processor(folder: Path, manifest: Manifest, name: str, entry: VariantEntry) -> None:
    here = this_machine().isa_class
    if here == manifest.isa_class or here in proved_elsewhere(folder, name, numbers=entry.reduced_precision):
        return
    if entry.reduced_precision:
        raise BundleError(
            f"variant `{name}` computes in reduced precision and was proved on {manifest.isa_class}, not on {here}",
            f"a variant proved on {here}, or one in f32: "
            + (", ".join(n for n, e in manifest.variants.items() if not e.reduced_precision) or "none here"),
            f"prove it here with `sartor measure {folder} --data SOURCE`",
        )
    warnings.warn(f"proved on {manifest.isa_class}; speed on {here} is not known", stacklevel=3)


def proved_elsewhere(folder: Path, variant: str, *, numbers: bool) -> set[str]:
    """Kinds of processor on which `sartor measure` proved a variant after it was written.

    Args:
        numbers: whether a proof must have checked its numbers there; without quality limits, speed alone would do.
    """
    proofs = set()
    for file in (folder / "proofs").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a damaged proof proves nothing
            proof = json.loads(file.read_text(encoding="utf-8"))
            right = not numbers or proof.get("numbers", {}).get("passed") is True
            if right and proof.get("variant") == variant and proof.get("outcome") == "met":
                proofs.add(str(proof.get("isa_class")))
    return proofs

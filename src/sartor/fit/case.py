"""A bundle opened for proof, with the rows that it is proved on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sartor.bundle.manifest import Manifest, check_files, read_manifest
from sartor.bundle.read import read_evidence
from sartor.bundle.values import Variant
from sartor.data.split import make_splits
from sartor.data.values import Dataset, Splits
from sartor.errors import BundleError
from sartor.fit.inputs import decoded_data
from sartor.fit.run import fed
from sartor.measure.latency import Feed
from sartor.model.values import Signature
from sartor.need import Limit, Need, read_need
from sartor.plan.candidates import Candidate
from sartor.runtime.base import Array
from sartor.steps import prepare_rows, read_steps
from sartor.steps.prepared import Prepared
from sartor.steps.text import Tokenise

_RANDOM_ROWS = 64
_USUAL_LENGTH = 32  # tokens


@dataclass(frozen=True)
class Confirm:
    """Rows of the confirm split with their labels; reading them has `done` the first of the declared steps."""

    inputs: Array
    labels: Array
    done: int


@dataclass(frozen=True)
class Case:
    """A bundle opened for proof."""

    folder: Path
    manifest: Manifest
    evidence: Mapping[str, Any]
    need: Need
    limits: tuple[Limit, ...]

    @property
    def alpha(self) -> float:
        """Error allowed of each quality limit: proving again must not be easier than proving was."""
        return float(self.evidence["confirm_alpha"])

    def variant(self, name: str) -> Variant:
        """A variant's file with how it is run."""
        entry = self.manifest.variants[name]
        return Variant(Candidate.from_dict(entry.candidate), self.folder / entry.files[0], entry.size_bytes)

    def prepared(self, name: str, confirm: Confirm) -> Prepared:
        """Rows of the data set as a variant takes them."""
        steps = read_steps(self.manifest.variants[name].steps[confirm.done :], self.folder)
        return fed(prepare_rows(steps, confirm.inputs), self.signature(name).taken)

    def signature(self, name: str) -> Signature:
        """Inputs and outputs of a variant."""
        return Signature.from_dict(self.manifest.variants[name].signature)


def open_case(folder: Path) -> Case:
    """A bundle whose files are as they were written.

    Raises:
        BundleError: no bundle, changed files, or one that is only provisional.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    if manifest.provisional:
        raise BundleError(
            f"`{folder}` is only the best so far of a search", "a bundle that was judged", "let `sartor fit` end"
        )
    evidence = read_evidence(folder)
    limits = tuple(Limit(entry["name"], **entry["bound"]) for entry in evidence["limits"])
    return Case(folder, manifest, evidence, read_need(folder / "need.yaml"), limits)


def confirm_rows(case: Case, source: str, base: Path) -> Confirm:
    """The confirm split, if the data are those that the bundle was proved on."""
    need = case.need.model_copy(update={"data": case.need.data.model_copy(update={"source": source})})
    entry = case.manifest.variants[case.manifest.chosen]
    dataset: Dataset = decoded_data(need, entry.steps, case.manifest.classes if need.labelled else (), base)
    trained = case.evidence["splits"]["rows"]["train"] > 0
    splits: Splits = make_splits(dataset, trains=trained, seed=case.need.seed)
    if splits.hashes["confirm"] != case.manifest.data_hashes["confirm"]:
        raise BundleError(
            f"`{source}` gives another confirm split than the one this bundle was proved on",
            "the same rows in the same order",
            "use `sartor fit` for new data",
        )
    return Confirm(dataset.inputs[splits.confirm], dataset.labels[splits.confirm], len(dataset.input_steps))


def feed_of(case: Case, name: str, rows: Confirm | None, scratch: Path) -> Feed:
    """What timed calls of a variant are fed with; random rows without data."""
    numbers = scratch / f"{name}-rows.npy"
    prepared = case.prepared(name, rows) if rows is not None else random_rows(case, name)
    np.save(numbers, np.arange(len(prepared)))
    entry = case.manifest.variants[name]
    return Feed(prepared.save(scratch / name), numbers, case.need.workload.batch, output=entry.output)


def random_rows(case: Case, name: str) -> Prepared:
    """Rows of the signature's shapes; where a size is free, the length that the variant is fixed to, or a usual one."""
    fixed = Candidate.from_dict(case.manifest.variants[name].candidate).settings.length
    steps = read_steps(case.manifest.variants[name].steps, case.folder)
    longest = next((step.longest for step in steps if isinstance(step, Tokenise)), _USUAL_LENGTH)
    length = fixed or min(longest, _USUAL_LENGTH)  # a model of texts has no positions beyond its longest
    count = max(_RANDOM_ROWS, case.need.workload.batch)
    generator = np.random.default_rng(0)
    arrays = {}
    for spec in case.signature(name).inputs:
        shape = (count, *(size if isinstance(size, int) else length for size in spec.shape[1:]))
        # Ones are a valid token and an open mask; numbers beyond a vocabulary would be none.
        whole = np.dtype(spec.dtype).kind in "iub"
        arrays[spec.name] = np.ones(shape, spec.dtype) if whole else generator.standard_normal(shape).astype(spec.dtype)
    return Prepared(arrays)

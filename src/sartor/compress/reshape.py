"""The steps of a recipe that give another network in f32, carried out on one file without a search.

A fit does the same in jobs whose results it stores (`fit/reshaping`), so that candidates share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from sartor.compress.applicable import soonest_built
from sartor.compress.build import build
from sartor.compress.calibration import example_rows, pieces
from sartor.compress.layer_times import profiled_seconds
from sartor.compress.low_rank.ranks import lower_ranks
from sartor.compress.low_rank.times import Bench
from sartor.compress.onnx_file import looks_like_transformer, publish_whole, read_whole
from sartor.compress.pruning.depth import SHORTENING_ROWS, shorten
from sartor.compress.pruning.rebuild import REBUILDING_ROWS, rebuild_if_possible
from sartor.compress.pruning.time_share import MEASURED_SHARES, Measured, found_groups, narrow_uniformly, prune
from sartor.compress.pruning.unshared import unshared
from sartor.compress.pruning.worth import Measure, unit_importance
from sartor.compress.rounding import rounded_in_training
from sartor.compress.sparse import compressed_size, sparsify, zero_share, zeros_of
from sartor.compress.values import CALIBRATION_ROWS
from sartor.errors import InputError, nearest
from sartor.machine.device import this_machine
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared
from sartor.train.recovery import Recovery, recover
from sartor.train.values import Kind, TrainingSettings
from sartor.units import format_value

if TYPE_CHECKING:
    from onnx import ModelProto

_PROFILED_CALLS = 20
# What each step may be told. A fit says, besides, in which form layers are timed and whose answers are learnt.
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "prune": ("time", "importance", "cut", "for"),
    "low-rank": ("time", "for"),
    "zeros": ("share", "pattern"),
    "recover": ("through", "on", "features"),
    "int8-dynamic": ("scales", "equalise"),
    "int8-static": ("calibration", "bias", "equalise", "activations", "scales"),
    "int8-weights": ("group",),
    "int4-weights": ("group",),
}
_VALUES: Mapping[str, tuple[str, ...]] = {
    "importance": get_args(Measure),
    "cut": ("channels", "layers"),
    "scales": ("channel", "tensor"),
    "activations": ("asymmetric", "symmetric"),
}
_NAMED = 3  # operators that cannot be cut are named in a note
_SHARE = 0.5  # of the time, for a step that does not say which


@dataclass(frozen=True)
class Given:
    """What the steps work with.

    Attributes:
        source: the file as it came: what a recovery learns the answers of.
        recipe: the whole of it: layers are timed in the form that the file will be stored in.
        runtime: in which they are timed.
        rows: prepared rows under the names of the file's inputs.
        scratch: an existing folder for what lies between.
        labels: (n,) class numbers, or targets of a regression; None for what the source answers.
        kind: what the first output means.
        training: what is fixed of a recovery.
        seed: of gradients and of a recovery.
        teacher: the file whose answers a recovery learns, where it is another than the source.
    """

    source: ExportedModel
    recipe: Recipe
    runtime: str
    rows: Prepared
    scratch: Path
    labels: NDArray[Any] | None = None
    kind: Kind = "classification"
    training: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    teacher: Path | None = None
    threads: int = field(default_factory=lambda: this_machine().cores)

    @property
    def settings(self) -> Settings:
        """Of the runtime, where layers are timed."""
        return Settings("f32", self.threads)

    @property
    def every_row(self) -> NDArray[np.int64]:
        """The number of each row."""
        return np.arange(len(self.rows))


def check_steps(recipe: Recipe) -> None:
    """Refuse settings that no step has, before anything is done: a training takes minutes.

    Raises:
        InputError: a setting or a value of one that a step does not have, or training through roundings that the last
            step does not make.
    """
    for step in recipe.effective:
        known = _SETTINGS.get(step.name, ())
        for key, value in step.settings:
            if key not in known:
                raise InputError(f"{step.name} with `{key}`", ", ".join(known) or "no setting", nearest(key, known))
            if key in _VALUES and value not in _VALUES[key]:
                raise InputError(f"{step.name} with `{key}: {value}`", ", ".join(_VALUES[key]))
        share = step.setting("time", _SHARE)
        if isinstance(share, str) or not 0 < share < 1:
            raise InputError(f"{step.name} to {share} of the time", "a share above 0 and below 1, such as 0.5")
        if step.name == "zeros":
            zeros_of(step)
        weight = step.setting("features", 1.0)
        if isinstance(weight, str) or not weight > 0:
            raise InputError(f"features with the weight {weight}", "a number above 0, such as 0.5")
        last = [one.name for one in recipe.storing.effective]
        if step.setting("through", "") and last != ["int8-static"]:
            raise InputError(f"training through roundings in {recipe.label}", "int8 static as the last step")


def reshape(given: Given) -> tuple[ExportedModel, tuple[str, ...]]:
    """(the network after the steps that change it, what each of them did).

    Raises:
        CandidateError: a step does not work on this network, and why.
        MissingExtraError: a recovery is asked for and torch is not installed.
    """
    network, notes = given.source, []
    for number, step in enumerate(given.recipe.reshaping.steps):
        made, said = _STEPS[step.name](given, network, step, given.scratch / f"{number}.onnx")
        notes.append(f"{step.label}: {network.parameters:,} -> {made.parameters:,} parameters{said}")
        network = made
    return network, tuple(notes)


def _pruned(given: Given, network: ExportedModel, step: CompressionStep, to: Path) -> tuple[ExportedModel, str]:
    """Requires rows. Ensures fewer channels, heads or hidden units, of layers that take a share of their time. Changes
    the network; with `cut: layers` see `_shortened`."""
    if step.setting("cut", "channels") == "layers":
        return _shortened(given, network, step, to)
    model = read_whole(network.path)
    groups = found_groups(model, example_rows(given.rows))
    importance = unit_importance(
        cast("Measure", step.setting("importance", "activation")),
        network,
        unshared(model),
        groups,
        given.rows,
        given.every_row,
        output=network.signature.outputs[0].name,
        kind=given.kind,
        seed=given.seed,
        threads=given.threads,
    )
    measured = []
    for share in MEASURED_SHARES:
        narrow = network if share == 1.0 else _written(narrow_uniformly(model, groups, share), network, to)
        measured.append(Measured(share, _layer_seconds(given, narrow)))
    pruned = prune(model, groups, importance, measured, _share(step))
    rows = given.rows.take(slice(0, REBUILDING_ROWS))
    said = rebuild_if_possible(model, pruned, groups, rows, given.threads)
    more = f" and {len(groups.refused) - _NAMED} more" if len(groups.refused) > _NAMED else ""
    whole = f"channels stay whole where {'; '.join(groups.refused[:_NAMED])}{more}" if groups.refused else ""
    return _written(pruned.model, network, to), "".join(f"; {each}" for each in (said, whole) if each)


def _shortened(given: Given, network: ExportedModel, step: CompressionStep, to: Path) -> tuple[ExportedModel, str]:
    """Requires rows and residual branches. Ensures fewer of these, in a share of their time. Changes the network."""
    found = shorten(
        read_whole(network.path),
        example_rows(given.rows),
        pieces(network, given.rows.take(slice(0, SHORTENING_ROWS)), SHORTENING_ROWS),
        _layer_seconds(given, network),
        _share(step),
        0,
        given.threads,
    )
    return _written(found.model, network, to), f", {len(found.branches)} branches left out"


def _low_rank(given: Given, network: ExportedModel, step: CompressionStep, to: Path) -> tuple[ExportedModel, str]:
    """Requires rows. Ensures thinner layers in a share of a call's time. Changes the network."""
    rows = given.rows.take(slice(0, CALIBRATION_ROWS))
    found = lower_ranks(network, rows, _share(step), Bench(given.runtime, given.settings, given.scratch))
    return _written(found.model, network, to), f", {len(found.ranks)} layers in parts"


def _thinned(given: Given, network: ExportedModel, step: CompressionStep, to: Path) -> tuple[ExportedModel, str]:
    """Requires nothing. Ensures the same operators with zeros in their weights. Changes weights only."""
    made = sparsify(read_whole(network.path), zeros_of(step))
    before, after = (compressed_size(model) for model in (read_whole(network.path), made))
    zipped = f"zipped {format_value(before, 'B')} -> {format_value(after, 'B')}"
    said = f"; {zero_share(made):.0%} of the weights of its layers are 0, {zipped}; no runtime here is faster for them"
    return _written(made, network, to), said


def _recovered(given: Given, network: ExportedModel, step: CompressionStep, to: Path) -> tuple[ExportedModel, str]:
    """Requires rows and torch. Ensures the same operators, no worse on the rows held back. Changes weights only."""
    student, trained_as, through = network.path, None, str(step.setting("through", ""))
    if through:
        (storing,) = given.recipe.storing.effective
        rows = given.rows.take(slice(0, CALIBRATION_ROWS))
        rounded = rounded_in_training(network, rows, storing, this_machine(), given.scratch)
        student, trained_as = rounded.student, rounded.trained_as
    output = network.signature.outputs[0].name
    made = recover(
        Recovery(
            student,
            given.teacher or given.source.path,
            to,
            given.rows,
            given.labels,
            given.every_row,
            given.kind,
            output,
            replace(given.training, pretrained=looks_like_transformer(read_whole(network.path))),
            seed=given.seed,
            threads=given.threads,
            trained_as=trained_as,
            shifts=False,
            may_lose=None,
            floor=None,
            features=float(step.setting("features", 0.0)),
        ),
        lambda progress: None,
    )
    figure = "accuracy" if given.kind == "classification" else "root mean square error"
    said = f"; {figure} {made['validation']:.4f} on rows held back, {made['epochs']} epochs, {made['seconds']:.0f} s"
    return replace(network, path=Path(made["path"]), parameters=made["parameters"]), said


def _layer_seconds(given: Given, network: ExportedModel) -> dict[str, float]:
    """In the form that the recipe stores it in."""
    stored = soonest_built(given.recipe.storing, given.runtime)
    built = build(stored, network, given.runtime, given.rows, given.scratch / "timed")
    rows = given.rows.take(slice(0, CALIBRATION_ROWS))
    return profiled_seconds(network, rows, given.runtime, built.path, given.settings, _PROFILED_CALLS)


def _share(step: CompressionStep) -> float:
    return float(step.setting("time", _SHARE))


def _written(model: ModelProto, network: ExportedModel, to: Path) -> ExportedModel:
    made = publish_whole(model, to)
    return replace(network, path=made.path, parameters=made.parameters)


_Step = Callable[[Given, ExportedModel, CompressionStep, Path], tuple[ExportedModel, str]]
_STEPS: Mapping[str, _Step] = {"prune": _pruned, "low-rank": _low_rank, "zeros": _thinned, "recover": _recovered}

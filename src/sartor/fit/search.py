"""The main job: from a Need to a Verdict and a bundle, in stages that each say why.

open -> floors -> screen (untrained) -> train -> race on select -> time the finalists -> confirm
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sartor.bundle.values import Variant
from sartor.compress.onnx_file import may_attend
from sartor.errors import CandidateError
from sartor.figures import Figure
from sartor.fit.board import UNTRIED, Board, Standing
from sartor.fit.building import build_variant
from sartor.fit.candidates import candidates_of, wants_bytes
from sartor.fit.guide import Judge
from sartor.fit.inputs import trains
from sartor.fit.racing import Read, race_candidate, read_split
from sartor.fit.run import Run
from sartor.fit.screen_limits import SCREEN_SPREAD, excluded_by
from sartor.fit.screening import reference_candidate, screen_source, speed_twin
from sartor.fit.stages import Source, open_source, train_source
from sartor.measure.quality_bounds import metric_bounds, restlessness
from sartor.model.values import Model
from sartor.plan.candidates import Refusal, settings_label
from sartor.runtime import RUNTIMES
from sartor.runtime.base import Array
from sartor.units import format_value

_CONFIRM_READS = 2.0  # of the uncompressed model, and of one or two that are faster
_SLOWER = 1.1  # times the uncompressed model's time, above which a compressed candidate is not read
_SCREEN_SHARE = 0.6  # of the time left; training, races and reading need the rest


@dataclass
class Search:
    """What the search has found so far.

    Attributes:
        sources: by model name; those with final weights replace the untrained ones.
        baseline: name of the most accurate uncompressed model read so far, and its outputs on select.
        kept: names of the variants in the bundle that was written last, the best first.
        on_hopeful: told of the best so far, with its outputs on select, whenever one more will probably be proved.
        unopened: models that could not be opened or trained, with the reason.
        in_time: whether the search came to its end before the time did.
        notes: what the report should say of the data and the metric, by what it is about.
        sizes_ended: why no more smaller networks were tried, in one sentence; empty where none was searched for.
    """

    run: Run
    board: Board
    sources: dict[str, Source] = field(default_factory=dict)
    baseline: str = ""
    baseline_outputs: Array | None = None
    baseline_value: float = float("nan")
    unopened: dict[str, str] = field(default_factory=dict)
    in_time: bool = False
    notes: dict[str, str] = field(default_factory=dict)
    sizes_ended: str = ""
    kept: tuple[str, ...] = ()
    on_hopeful: Callable[[Variant, Source, Array], None] = lambda variant, source, outputs: None

    def outputs_on_select(self, source: Source) -> Array:
        """Outputs of a model's uncompressed reference on select, read once."""
        return self.answers(source, "select").outputs

    def answers(self, source: Source, split: str) -> Read:
        """Outputs of a model's uncompressed reference on a split, read once; with every core, since nothing is timed.

        Raises:
            CandidateError: no runtime can run it.
        """
        reference = self.reference(source)
        settings = replace(reference.candidate.settings, threads=self.run.machine.cores)
        wide = replace(reference, candidate=replace(reference.candidate, settings=settings))
        return read_split(self.run, source, wide, split, self.run.work / "outputs")

    def compared_with(self, source: Source) -> Array | None:
        """Outputs on select that a model's candidates are compared with: the baseline's, or its own uncompressed."""
        return self.outputs_on_select(source) if self.run.compares_with_itself else self.baseline_outputs

    def is_baseline(self, standing: Standing) -> bool:
        """Whether a candidate is what others are compared with, so that its own drop needs no test."""
        own = self.run.compares_with_itself or standing.candidate.model == self.baseline
        return standing.candidate.is_uncompressed and own

    def reference(self, source: Source) -> Variant:
        """The uncompressed reference of a model, in the first runtime that can build it.

        Raises:
            CandidateError: no runtime can.
        """
        failure: CandidateError | None = None
        for runtime in RUNTIMES:
            candidate = reference_candidate(source, runtime)
            try:
                return build_variant(self.run, source, candidate.recipe, runtime, candidate)
            except CandidateError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def ready(self) -> list[Source]:
        """Sources with their final weights."""
        return [source for source in self.sources.values() if source.trained]


def open_and_screen(search: Search, models: Sequence[Model]) -> None:
    """Open every model and time all of its candidates; a model that fails takes only itself out."""
    run, board = search.run, search.board
    for turn, model in enumerate(models):
        run.watch.phase(f"{model.name}: export and screen")
        goes_on = run.clock.until(_SCREEN_SHARE / (len(models) - turn))
        try:
            source = open_source(run, model)
        except CandidateError as error:
            board.refusals.append(Refusal(model.name, str(error)))
            search.unopened[model.name] = str(error)
            run.watch.note(f"{model.name}: {error}")
            continue
        search.sources[model.name] = source
        if source.inputs.cut:
            run.watch.note(f"{model.name}: {source.inputs.cut}")
        compressed = run.compressed.get(model.name, "")
        batch, for_bytes = run.need.workload.batch, wants_bytes(run.need)
        plan = candidates_of(
            *(model.name, source.rows, batch, run.machine, compressed),
            for_bytes=for_bytes,
            attends=may_attend(source.path),
        )
        board.add(plan.candidates, plan.refusals)
        mine = [standing for standing in board.all() if standing.candidate.model == model.name]
        # Of several models the most accurate is what others are compared with, and that is not known yet. And where
        # memory is short, a reader's worker has no room beside that of the screen.
        final = source.trained and len(models) == 1 and run.need.budget.memory is None
        screen_source(run, board, source, mine, goes_on, _judge(search, source) if final else None)


def _judge(search: Search, source: Source) -> Judge:
    def sure(candidate_id: str) -> bool:
        try:
            if not search.baseline:
                _read_baseline(search, source)
        except CandidateError:
            return False  # said where the model is finished
        race(search, source, search.board[candidate_id])
        return search.board[candidate_id].safe

    return sure


def potential(search: Search, model: str) -> float:
    """The best objective that the screen saw among a model's candidates; infinite when none is left."""
    alive = [s for s in search.board.alive() if s.candidate.model == model]
    return min((screened_objective(search.run, s) for s in alive), default=float("inf"))


def screened_objective(run: Run, standing: Standing) -> float:
    """What the Need minimises, as the screen saw it; smaller is better."""
    if run.need.minimise == "size":
        return float(standing.size_bytes or np.inf)
    return standing.seconds if standing.seconds is not None else float("inf")


def revive_nearest(search: Search) -> None:
    """When limits exclude every candidate, but not one limit them all, the one that breaks least goes on.

    Nothing can be met then, but what is nearest is trained and measured, so that the verdict can say how
    far off it is and the folder holds a bundle.
    """
    run, board = search.run, search.board
    timed = [s for s in board.all() if s.seconds is not None and s.status == "rejected"]
    if board.alive() or not timed:
        return

    def broken(standing: Standing) -> int:
        size, batch = standing.size_bytes, run.need.workload.batch
        return sum(excluded_by((limit,), standing.seconds, size, batch) is not None for limit in run.performance_limits)

    nearest = min(timed, key=lambda s: (broken(s), s.seconds or 0.0))
    board.update(nearest.id, status="screened", why="")


def train_and_race(search: Search) -> None:
    """Train the models that are still in the search, fastest first, and race their candidates.

    With a limit on a drop every model is trained first, since the most accurate one is the baseline.
    With floors alone the search stops once a candidate is safe and no other model can beat it.
    """
    run = search.run
    drops = any(limit.is_drop for limit in run.quality_limits)
    order = sorted(search.sources, key=lambda name: potential(search, name))
    for name in order:
        if not np.isfinite(potential(search, name)) and not drops:
            continue
        if not drops and _beaten(search, name):
            _skip(search, name, "another model meets the limits and is faster than this one could be")
            continue
        if not run.clock.search_goes_on() and search.baseline:
            _skip(search, name, UNTRIED)
            continue
        if _finish(search, name) and not drops:
            race_model(search, search.sources[name])
    if drops:
        for source in sorted(search.ready(), key=lambda s: potential(search, s.model.name)):
            race_model(search, source)
    search.in_time = run.clock.search_goes_on() and not search.board.untried()


def _beaten(search: Search, name: str) -> bool:
    """Whether a candidate that will almost certainly be proved is faster than this model could be."""
    safe = [screened_objective(search.run, s) for s in search.board.alive() if s.safe]
    return bool(safe) and potential(search, name) > SCREEN_SPREAD * min(safe)


def _skip(search: Search, name: str, why: str) -> None:
    for standing in search.board.alive():
        if standing.candidate.model == name:
            search.board.reject(standing.id, why)
    search.run.watch.note(f"{name}: {why}")


def _finish(search: Search, name: str) -> bool:
    """Give a model its final weights and read it uncompressed on select."""
    run, model = search.run, search.sources[name].model
    try:
        if trains(run.need, model) and not search.sources[name].trained:
            run.watch.phase(f"{name}: train")
            search.sources[name] = train_source(run, model)
        _read_baseline(search, search.sources[name])
    except CandidateError as error:
        search.unopened[name] = str(error)
        _skip(search, name, f"training failed: {error}")
        return False
    return True


def _read_baseline(search: Search, source: Source) -> None:
    run = search.run
    outputs, seconds = search.answers(source, "select")
    if run.quality_limits:
        a_row = seconds / len(outputs)
        run.clock.keep_for_confirm(_CONFIRM_READS * a_row * len(run.data.rows("confirm")))
    seen = run.seen("select", outputs)
    bounds = metric_bounds(run.need.metric, seen, 1.0 - run.need.confidence, run.base, run.need.seed)
    value = -bounds.value if run.need.metric == "rmse" else bounds.value
    apart = restlessness(run.need.metric, seen, run.base)
    if apart > 0:
        said = f"{run.need.metric} gives values up to {apart:.3g} apart for the same answers"
        search.notes[run.need.metric] = f"{said}: its intervals are as much wider"
        run.watch.note(search.notes[run.need.metric])
    run.watch.tried(f"{source.model.name}, uncompressed", f"{run.need.metric} {bounds.value:.4f} on select")
    if not value <= search.baseline_value:
        search.baseline, search.baseline_outputs, search.baseline_value = source.model.name, outputs, value
        if not any(standing.likely for standing in search.board.alive()):
            search.on_hopeful(search.reference(source), source, outputs)


def race_model(search: Search, source: Source) -> None:
    """Race the best setting of each of a model's files; the rest is out by its sibling.

    The uncompressed model is raced whatever the time: without it there is nothing to prove.
    """
    run, board = search.run, search.board
    alive = [s for s in board.alive() if s.candidate.model == source.model.name]
    by_promise = sorted(_best_settings(search, alive), key=lambda s: screened_objective(run, s))
    run.watch.phase(f"{source.model.name}: compress and race", len(by_promise))
    limit = _uncompressed_objective(search, source)
    fallback = next((s.id for s in by_promise if s.candidate.is_uncompressed), None)
    for standing in by_promise:
        if standing.id != fallback and not run.clock.search_goes_on():
            board.reject(standing.id, UNTRIED)
        elif not standing.candidate.is_uncompressed and screened_objective(run, standing) > _SLOWER * limit:
            board.reject(standing.id, "slower than the uncompressed model")
        elif standing.id != fallback and standing.seen is None and (better := _sure(search, standing)):
            board.reject(standing.id, f"{better.candidate.label} is no slower and almost sure to be proved")
        else:
            race(search, source, standing)
            announce(search, standing.id)


def _sure(search: Search, standing: Standing) -> Standing | None:
    """A candidate that will almost certainly be proved, and that this one cannot beat: no faster by the screen's own
    spread, or of the same operators in the same settings."""
    run = search.run
    if not run.leaves_out_slower:
        return None
    mine, twin = screened_objective(run, standing), speed_twin(standing.candidate)
    for other in (s for s in search.board.alive() if s.safe):
        if mine > SCREEN_SPREAD * screened_objective(run, other) or speed_twin(other.candidate) == twin:
            return other
    return None


def race(search: Search, source: Source, standing: Standing) -> None:
    """Build a candidate with the final weights and read its answers on select; the outcome is on the board."""
    compares = any(limit.compares for limit in search.run.quality_limits)
    baseline = search.compared_with(source) if compares else None
    own = search.is_baseline(standing)
    race_candidate(search.run, search.board, source, standing.id, baseline, is_baseline=own)


def _best_settings(search: Search, alive: Sequence[Standing]) -> list[Standing]:
    groups: dict[tuple[str, str], list[Standing]] = {}
    for standing in alive:
        candidate = standing.candidate
        groups.setdefault((candidate.variant_id, candidate.settings.precision), []).append(standing)
    best = []
    for group in groups.values():
        # Equal sizes leave the choice of settings to speed.
        first, *others = sorted(group, key=lambda s: (screened_objective(search.run, s), s.seconds or 0.0))
        best.append(first)
        for other in others:
            better = settings_label(first.candidate.settings)
            search.board.reject(other.id, f"in quick launches the same file was faster with {better}")
    return best


def _uncompressed_objective(search: Search, source: Source) -> float:
    """The objective to beat; infinite when the uncompressed model is out, so that nothing is skipped for it."""
    plain = [
        screened_objective(search.run, s)
        for s in search.board.alive()
        if s.candidate.model == source.model.name and s.candidate.is_uncompressed
    ]
    return min(plain, default=float("inf"))


def announce(search: Search, candidate_id: str) -> None:
    """Tell whoever watches when this candidate is the best so far, and keep what is worth keeping of all so far."""
    hopeful = [s for s in search.board.alive() if s.likely]
    if not search.board[candidate_id].likely or not hopeful:
        return
    best = min(hopeful, key=lambda s: screened_objective(search.run, s))
    if best.id == candidate_id:
        latency, quality = best.latency(), best.quality
        shown = f"{format_value(latency.value, 's')}" if latency else ""
        value = f"{search.run.need.metric} {quality.value:.4f}" if quality else ""
        size = str(Figure.exact(best.size_bytes or 0, "B"))
        search.run.watch.best(f"{best.candidate.label}: {shown}, {value}, {size}")
    if best.variant is not None and best.seen is not None:
        search.on_hopeful(best.variant, search.sources[best.candidate.model], best.seen.outputs)


def zeros_of(search: Search, source: Source) -> list[Standing]:
    """The uncompressed candidates of a model that may be its fastest: the best setting in each runtime.

    They are timed whatever the limits say of them, since a speed-up needs something to be faster than. One that
    the time did not suffice for is read now: if it turns out the fastest, it must be there to be chosen.
    """
    run, board = search.run, search.board
    mine = [
        s
        for s in board.all()
        if s.candidate.model == source.model.name
        and s.candidate.is_uncompressed
        and s.seconds is not None
        and s.status != "failed"
    ]
    by_runtime: dict[str, Standing] = {}
    for standing in sorted(mine, key=lambda s: s.seconds or 0.0):
        by_runtime.setdefault(standing.candidate.runtime, standing)
    fastest = min((s.seconds or 0.0 for s in by_runtime.values()), default=0.0)
    close = [s for s in by_runtime.values() if (s.seconds or 0.0) <= SCREEN_SPREAD * fastest]
    for standing in close:
        if standing.variant is None:
            candidate = standing.candidate
            board.update(
                standing.id,
                variant=build_variant(run, source, candidate.recipe, candidate.runtime, candidate),
            )
        if board[standing.id].why == UNTRIED:
            race(search, source, standing)
    left = [board[s.id] for s in close if board[s.id].status != "failed"]
    return sorted(left, key=lambda s: s.seconds or 0.0)

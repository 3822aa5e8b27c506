"""Screening: every candidate is built and timed for an instant before any weight is trained.

How fast a network runs does not depend on its weights, so models that are to be trained are timed
with random ones; what cannot meet a speed or size limit is never trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sartor.bundle.values import Variant
from sartor.compress.applicable import recipes
from sartor.errors import CandidateError
from sartor.fit.board import UNTRIED, Board, Standing
from sartor.fit.building import build_variant
from sartor.fit.finals import expected_seconds
from sartor.fit.guide import Guide, Judge
from sartor.fit.prediction import belief_of
from sartor.fit.run import Run
from sartor.fit.screen_limits import excluded_by
from sartor.fit.stages import Source
from sartor.fit.trials import Status, trial_key
from sartor.measure.latency import Feed, Screened, screen
from sartor.plan.belief import Belief
from sartor.plan.candidates import Candidate
from sartor.plan.order import Asked
from sartor.plan.recipe import Recipe
from sartor.runtime import RUNTIMES
from sartor.runtime.base import Settings
from sartor.units import format_value


def speed_twin(candidate: Candidate) -> Candidate:
    """The candidate whose speed stands for this one's.

    The ranges that a calibration finds change numbers, not operators; and weights kept in fp16, or by ONNX Runtime in
    int8, are widened once when the file is loaded, then compute as f32.
    """
    twins = {"fp16-weights": "none", "int8-static": "int8-static"}
    if candidate.runtime == "onnxruntime":
        twins["int8-weights"] = "none"
    steps = candidate.recipe.effective
    if (
        len(steps) == 1
        and not steps[0].keeps
        and steps[0].name in twins
        and steps[0].setting("calibration", "") != "mixed"
    ):
        same = [r for r in recipes(candidate.runtime) if [s.name for s in r.steps] == [twins[steps[0].name]]]
        plain = Recipe() if twins[steps[0].name] == "none" else same[0]
        return Candidate(candidate.model, plain, candidate.runtime, candidate.settings)
    return candidate


def feed_for(run: Run, source: Source, split: str) -> Feed:
    """Rows of a split, as the model takes them."""
    return Feed(source.fed, run.data.rows_path(split), run.need.workload.batch, run.memory_limit, source.output)


def screen_source(
    run: Run,
    board: Board,
    source: Source,
    standings: Sequence[Standing],
    goes_on: Callable[[], bool],
    judge: Judge | None = None,
) -> None:
    """Build and time the candidates of one model; every result lands on the board.

    Where this machine is calibrated, only those that may matter by what is predicted, in that order; else, and in an
    exhaustive run, all of them.

    Args:
        goes_on: whether there is time for another; the uncompressed model is built whatever it says.
        judge: reads the answers of a file that was timed, where weights are final; what cannot be faster than one that
            is almost sure to be proved need not be built.
    """
    twins: dict[Candidate, list[str]] = {}
    for standing in standings:
        twins.setdefault(speed_twin(standing.candidate), []).append(standing.id)
    belief = belief_of(run, source, list(twins))
    if belief is not None:
        _predict(board, twins, belief)
    if belief is not None and not run.exhaustive:
        asked = _asked(run)
        guide = Guide(belief, twins, asked, judge if asked.speed_only else None)
        _screen_guided(run, board, source, standings, guide, goes_on)
    else:
        _screen_every(run, board, source, standings, goes_on)
    for standing in standings:
        apply_limits(run, board, standing.id)


def _predict(board: Board, twins: Mapping[Candidate, Sequence[str]], belief: Belief) -> None:
    for twin, ids in twins.items():
        for name in ids if twin in belief else ():
            board.update(name, predicted=belief.figure(twin))


def _screen_guided(
    run: Run,
    board: Board,
    source: Source,
    standings: Sequence[Standing],
    guide: Guide,
    goes_on: Callable[[], bool],
) -> None:
    twins, files = guide.twins, _Files(run, board, source)
    if not guide.asked.speed_only:  # sizes count, and only files have them
        files.built = _build_files(run, board, source, standings, goes_on)
    reference = files.reference()
    if reference is None:
        return
    time_files(run, board, source, reference, guide.turns(board, files.of), twins, guide.learn, goes_on)
    batch = run.need.workload.batch
    alive = [name for ids in twins.values() for name in ids if board[name].alive and board[name].seconds is not None]
    if all(excluded_by(run.performance_limits, board[n].seconds, board[n].size_bytes, batch) for n in alive):
        # Nothing that was timed meets the limits: that no candidate can is said of measurements only.
        time_files(run, board, source, reference, guide.left_out(board, files.of), twins, guide.learn, goes_on)


def _asked(run: Run) -> Asked:
    """What of the Need decides whether a slow candidate can matter."""
    speed_only = run.need.minimise in ("latency", "throughput") and not any(
        limit.name in ("size", "memory") for limit in run.performance_limits
    )
    bounds = [
        (limit.value if limit.name != "throughput" else run.need.workload.batch / limit.value, str(limit))
        for limit in run.performance_limits
        if limit.name.startswith("latency") or limit.name == "throughput"
    ]
    return Asked(speed_only, *min(bounds)) if bounds else Asked(speed_only)


def _steps(candidate: Candidate) -> list[str]:
    return [step.name for step in candidate.recipe.effective]


class _Files:
    """Files of one model by the candidate that runs them, built when first asked for."""

    def __init__(self, run: Run, board: Board, source: Source) -> None:
        self._run, self._board, self._source = run, board, source
        self.built: dict[str, Variant | None] = {}

    def of(self, candidate: Candidate, ids: Sequence[str]) -> Variant | None:
        """The candidate's file; None where it cannot be built. Its size goes to those in `ids`."""
        name = candidate.variant_id
        if name not in self.built:
            self.built[name] = _build_one(self._run, self._board, self._source, candidate)
        file = self.built[name]
        if file is None:
            return None
        for one in ids:
            alike = _steps(self._board[one].candidate) == _steps(candidate)  # fp16 is as fast as f32, and smaller
            if alike and self._board[one].size_bytes is None:
                self._board.update(one, size_bytes=file.size_bytes, notes=file.notes)
        return replace(file, candidate=candidate)

    def reference(self) -> Variant | None:
        """What times are compared with, in the first runtime that runs it; None where none does."""
        found = (self.of(reference_candidate(self._source, runtime), ()) for runtime in RUNTIMES)
        return next((variant for variant in found if variant is not None), None)


def _screen_every(
    run: Run, board: Board, source: Source, standings: Sequence[Standing], goes_on: Callable[[], bool]
) -> None:
    built = _build_files(run, board, source, standings, goes_on)
    twins: dict[Candidate, list[str]] = {}
    for standing in standings:
        if board[standing.id].alive:
            twins.setdefault(speed_twin(standing.candidate), []).append(standing.id)
    todo = [
        Variant(twin, file.path, file.size_bytes)
        for twin in by_promise(_worth_timing(run, board, twins))
        if (file := built.get(twin.variant_id)) is not None
    ]
    reference = _reference(source, built)
    if reference is not None:
        time_files(run, board, source, reference, todo, twins, lambda candidate, seconds: None, goes_on)


def _worth_timing(run: Run, board: Board, twins: Mapping[Candidate, Sequence[str]]) -> list[Candidate]:
    """All but other settings of a compressed file that a size limit excludes: one is timed, for the picture.

    The uncompressed model is always timed in every setting, since speed-ups are against its best.
    """
    kept: dict[tuple[str, str, str], Candidate] = {}
    for twin, ids in twins.items():
        settings = "" if _too_large(run, board, ids) and twin.recipe.effective else twin.id
        kept.setdefault((twin.variant_id, twin.settings.precision, settings), twin)
    return list(kept.values())


def by_promise(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Every file and precision once with its most promising settings, then with the next, and so on.

    A screen that is cut short has then seen each way to compute; threads and shape of the finalists are
    chosen again before the finals.
    """
    turns: dict[tuple[str, str], int] = {}
    order = []
    for candidate in sorted(candidates, key=lambda c: (-c.settings.threads, c.settings.shape == "dynamic")):
        file = candidate.variant_id, candidate.settings.precision
        turns[file] = turns.get(file, 0) + 1
        order.append((turns[file], not candidate.is_uncompressed, candidate))
    return [candidate for *_, candidate in sorted(order, key=lambda entry: entry[:2])]


def _too_large(run: Run, board: Board, ids: Sequence[str]) -> bool:
    return all(excluded_by(run.performance_limits, None, board[name].size_bytes, 1) for name in ids)


def _build_files(
    run: Run, board: Board, source: Source, standings: Sequence[Standing], goes_on: Callable[[], bool]
) -> dict[str, Variant | None]:
    """One file for each recipe that has its own operators; a recipe that fails takes its candidates along."""
    files: dict[str, Variant | None] = {}
    for standing in standings:
        candidate = standing.candidate
        twin = speed_twin(candidate)
        if twin.variant_id != candidate.variant_id and candidate.recipe.quantizes:
            continue  # another calibration of the same operators: built once it is worth it
        if candidate.variant_id not in files and not (candidate.is_uncompressed or goes_on()):
            continue
        if candidate.variant_id not in files:
            files[candidate.variant_id] = _build_one(run, board, source, candidate)
        file = files[candidate.variant_id]
        if file is not None:
            board.update(standing.id, size_bytes=file.size_bytes, notes=file.notes)
    for standing in standings:
        twin_file = files.get(speed_twin(standing.candidate).variant_id)
        if twin_file is not None and board[standing.id].size_bytes is None:
            board.update(standing.id, size_bytes=twin_file.size_bytes, notes=twin_file.notes)
    return files


def _build_one(run: Run, board: Board, source: Source, candidate: Candidate) -> Variant | None:
    what = f"{source.model.name}, {candidate.recipe.label}, {candidate.runtime}"
    try:
        variant = build_variant(run, source, candidate.recipe, candidate.runtime, candidate)
    except CandidateError as error:
        for standing in board.alive():
            if candidate.variant_id in (standing.candidate.variant_id, speed_twin(standing.candidate).variant_id):
                board.fail(standing.id, str(error))
        run.watch.tried(what, str(error))
        return None
    run.watch.tried(what, f"built, {format_value(variant.size_bytes, 'B')}")
    return variant


def reference_candidate(source: Source, runtime: str = "onnxruntime") -> Candidate:
    """What screens compare with: the model as it is, one thread."""
    batch = source.signature.inputs[0].shape[0]
    settings = Settings("f32", 1, "fixed", batch) if isinstance(batch, int) else Settings()
    return Candidate(source.model.name, Recipe(), runtime, settings)


def _reference(source: Source, built: Mapping[str, Variant | None]) -> Variant | None:
    """The reference in the first runtime that could build it; None when none could."""
    for runtime in RUNTIMES:
        candidate = reference_candidate(source, runtime)
        file = built.get(candidate.variant_id)
        if file is not None:
            return Variant(candidate, file.path, file.size_bytes)
    return None


def time_files(
    run: Run,
    board: Board,
    source: Source,
    reference: Variant,
    todo: Iterable[Variant],
    twins: Mapping[Candidate, list[str]],
    learn: Callable[[Candidate, float], None],
    goes_on: Callable[[], bool],
    *,
    anew: bool = False,
) -> None:
    """Time what is to do, one after another.

    Args:
        twins: whose speed each candidate's stands for.
        learn: told of each time, before the next is taken from `todo`.
        anew: whether what was timed before is timed again.
    """

    def spread(candidate: Candidate, status: str, reason: str, seconds: float | None) -> None:
        for follower in twins[candidate]:
            if status == "failed":
                board.fail(follower, reason)
            else:
                board.update(follower, status="screened", seconds=seconds)
        if seconds is not None:
            learn(candidate, seconds)

    def parts(variant: Variant) -> dict[str, Any]:
        return {**run.key_parts(), "source": source.content, "version": run.versions[variant.candidate.runtime]}

    timed = []  # never none: the uncompressed model comes first, and speed-ups are against it

    def on_result(variant: Variant, found: Screened | CandidateError) -> None:
        status: Status = "failed" if isinstance(found, CandidateError) else "done"
        if isinstance(found, Screened):
            timed.append(variant.id)
            run.clock.keep_for_finals(expected_seconds(found.start_seconds))
        reason = str(found) if isinstance(found, CandidateError) else ""
        seconds = None if isinstance(found, CandidateError) else found.seconds
        run.trials.store("screen", variant.id, parts(variant), status, reason, {"seconds": seconds}, 0.0)
        spread(variant.candidate, status, reason, seconds)
        run.watch.tried(variant.candidate.label, reason or format_value(seconds or 0.0, "s"))

    def fresh() -> Iterator[Variant]:
        for variant in todo:
            key = trial_key("screen", {"candidate": variant.id, **parts(variant)})
            stored = None if anew else run.trials.find(key)
            if stored is None:
                yield variant
            else:
                run.trials.count_reuse(stored.key)
                spread(variant.candidate, stored.status, stored.reason, stored.result.get("seconds"))

    feed = feed_for(run, source, "select")
    screen(reference, fresh(), feed, on_result, keep_going=lambda: not timed or goes_on())


def apply_limits(run: Run, board: Board, candidate_id: str) -> None:
    """Reject a candidate whose screened time or size a limit excludes, or that there was no time for."""
    standing = board[candidate_id]
    if not standing.alive:
        return
    batch = run.need.workload.batch
    why = excluded_by(run.performance_limits, standing.seconds, standing.size_bytes, batch)
    if why:
        board.reject(candidate_id, why)
    elif standing.seconds is None:
        board.reject(candidate_id, UNTRIED)

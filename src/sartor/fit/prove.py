"""Proving: time the finalists, open confirm once, and turn what was measured into a Verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sartor.bundle.manifest import file_hash
from sartor.bundle.values import LimitResult, Verdict
from sartor.figures import Figure
from sartor.fit.board import Standing
from sartor.fit.confirming import entry, finalists_of, inside, may_do, prefer_zero, with_tests
from sartor.fit.constant import no_better_than_constant
from sartor.fit.finals import Finals, holds, objective, rank, time_finalists
from sartor.fit.judge import Confirmed, ErrorShares, confirm, error_shares
from sartor.fit.racing import read_split
from sartor.fit.relaxed import relaxed
from sartor.fit.screening import feed_for
from sartor.fit.search import Search, zeros_of
from sartor.fit.settings import settle_settings
from sartor.fit.wording import met_sentence, not_met_sentence, relaxed_sentences, useless_sentence
from sartor.measure.memory import peak_memory
from sartor.measure.quality_bounds import Outputs, limit_bounds, metric_bounds
from sartor.measure.quantiles import mean_bounds_of_launches
from sartor.need import Limit

_MEMORY_LAUNCHES = 3


@dataclass(frozen=True)
class Proof:
    """The end of the search.

    Attributes:
        chosen: the candidate that goes into the bundle, also when it does not meet the Need.
        zero: the uncompressed candidate that speed-ups speak of.
        quality: the metric of chosen and zero with bounds, on `quality_split`.
        opening: how many earlier openings of the confirm split there were; None when it stayed closed.
        alpha: error allowed to the quality limits of the chosen one.
    """

    verdict: Verdict
    chosen: str
    zero: str
    finals: Finals
    memory: Mapping[str, Figure]
    quality: Mapping[str, Figure]
    quality_split: str
    opening: int | None
    alpha: float


def prove(search: Search) -> Proof | None:
    """Choose and prove; None when no candidate ever ran.

    Raises:
        CandidateError: a finalist that ran before does not run any more.
    """
    run, board = search.run, search.board
    pool = finalists_of(search)
    if not pool:
        return None
    sources = {s.candidate.model: search.sources[s.candidate.model] for s in pool}
    zeros = [zero for source in sources.values() for zero in zeros_of(search, source)]
    pool = [s for s in pool if s.candidate.model in {zero.candidate.model for zero in zeros}]
    if not zeros:
        return None
    run.jobs.close()  # its memory and threads would stand beside what is timed
    run.watch.phase("choose threads and shape again")
    zeros = settle_settings(search, zeros)
    pool = settle_settings(search, [s for s in pool if not s.candidate.is_uncompressed])
    pool = [board[s.id] for s in pool if s.id not in {zero.id for zero in zeros}]
    run.watch.phase("time the finalists over fresh launches", 5)
    feeds = {name: feed_for(run, source, "select") for name, source in sources.items()}
    finals = time_finalists(run, pool, zeros, feeds)
    everyone = [*pool, *zeros]
    for standing in everyone:
        changes = {"figures": dict(finals.timed[standing.id].figures)}
        board.update(standing.id, **changes, **({"status": "finalist"} if standing.alive else {}))
    memory = _memory(search, everyone)
    return _decide(search, [board[s.id] for s in everyone], finals, memory)


def _memory(search: Search, standings: Sequence[Standing]) -> dict[str, Figure]:
    """Peak memory over fresh launches, of every finalist if the Need asks about memory."""
    run = search.run
    asked = run.need.minimise == "memory" or any(limit.name == "memory" for limit in run.limits)
    figures = {}
    for standing in standings if asked else ():
        figures[standing.id] = measure_memory(search, standing, len(standings))
        search.board.update(standing.id, memory_bytes=round(figures[standing.id].value))
    return figures


def measure_memory(search: Search, standing: Standing, compared: int = 1) -> Figure:
    """Mean peak resident memory of a candidate over fresh launches; `compared` candidates share the error."""
    assert standing.variant is not None
    feed = feed_for(search.run, search.sources[standing.candidate.model], "select")
    peaks = [float(peak_memory(standing.variant, feed)) for _ in range(_MEMORY_LAUNCHES)]
    bounds = mean_bounds_of_launches(peaks, (1.0 - search.run.need.confidence) / compared)
    return Figure(bounds.value, "B", max(0.0, bounds.low), bounds.high, "measured")


def _decide(search: Search, everyone: Sequence[Standing], finals: Finals, memory: Mapping[str, Figure]) -> Proof:
    run = search.run
    allowed = [s for s in everyone if not _broken(run.performance_limits, s, memory)]
    hopeful = [s for s in allowed if s.likely]
    order = rank(run, hopeful, finals)
    if run.need.minimise in ("latency", "throughput"):
        order = prefer_zero(order, finals)
    finalists = with_tests(search, order, [s for s in allowed if may_do(search, s)], finals)
    if not finalists:
        chosen = _best_so_far(search, everyone, finals, memory)
        return _conclude(search, chosen, finals, memory, _Opened(None, 1.0 - run.need.confidence, False))
    confirmed, opening, shares = _confirm(search, finalists)
    winner = confirmed.winner or max(finalists, key=lambda s: inside(search, s)).id
    alpha = shares.first if winner == finalists[0].id else shares.fallback
    chosen = next(s for s in finalists if s.id == winner)
    return _conclude(search, chosen, finals, memory, _Opened(opening, alpha, confirmed.winner is not None))


@dataclass(frozen=True)
class _Opened:
    """How confirm went: openings before this one (None: it stayed closed), error allowed, whether it was passed."""

    opening: int | None
    alpha: float
    passed: bool


def _confirm(search: Search, finalists: Sequence[Standing]) -> tuple[Confirmed, int | None, ErrorShares]:
    run = search.run
    entries = [entry(search, s) for s in finalists]
    opening = None
    if any(entry.tested for entry in entries):
        run.watch.phase("confirm on untouched rows", len(entries))
        split = run.data.splits.hashes["confirm"]
        opening = run.trials.open_confirm(split, _opening_name(search, finalists), run.need.identity())
    shares = error_shares(run.need.confidence, opening or 0)
    return (
        confirm(entries, lambda name: confirm_outputs(search, search.board[name]), shares, run.base, run.need.seed),
        opening,
        shares,
    )


def _opening_name(search: Search, finalists: Sequence[Standing]) -> str:
    """The same files tested again for the same limits are the same opening."""
    files = [f"{s.id} {file_hash(s.variant.path)}" for s in finalists if s.variant is not None]
    files += [str(limit) for limit in search.run.quality_limits] + [search.baseline]
    return hashlib.blake2b("\n".join(files).encode(), digest_size=16).hexdigest()


def confirm_outputs(search: Search, standing: Standing) -> Outputs:
    """Outputs of a candidate and of the baseline on confirm."""
    run = search.run
    assert standing.variant is not None
    mine = search.sources[standing.candidate.model]
    own = read_split(run, mine, standing.variant, "confirm", run.work / "outputs").outputs
    source = mine if run.compares_with_itself else search.sources[search.baseline]
    baseline = search.answers(source, "confirm").outputs
    return run.seen("confirm", own, baseline)


def _figure_of(limit: Limit, standing: Standing, memory: Mapping[str, Figure]) -> Figure | None:
    if limit.name == "size":
        return Figure.exact(float(standing.size_bytes or 0), "B")
    if limit.name == "memory":
        return memory.get(standing.id)
    return standing.figures.get(limit.name)


def _broken(limits: Sequence[Limit], standing: Standing, memory: Mapping[str, Figure]) -> list[Limit]:
    return [limit for limit in limits if not holds(limit, _figure_of(limit, standing, memory))]


def _best_so_far(
    search: Search, everyone: Sequence[Standing], finals: Finals, memory: Mapping[str, Figure]
) -> Standing:
    """The candidate that breaks the fewest limits; then likely quality; then the objective."""
    run = search.run
    readable = [s for s in everyone if s.seen is not None]
    return min(
        readable or list(everyone),
        key=lambda s: (
            len(_broken(run.performance_limits, s, memory)),
            not s.likely,
            objective(run, s, finals.timed[s.id].figures),
        ),
    )


def _conclude(
    search: Search,
    chosen: Standing,
    finals: Finals,
    memory: Mapping[str, Figure],
    opened: _Opened,
) -> Proof:
    run = search.run
    zero = search.board[finals.zeros[chosen.candidate.model]]
    memory = {**memory, **{s.id: measure_memory(search, s) for s in (chosen, zero) if s.id not in memory}}
    limits = tuple(_judge_limit(search, limit, chosen, memory, opened) for limit in run.limits)
    outcome = "met" if all(result.met for result in limits) else "not_met"
    split = "select" if opened.opening is None else "confirm"
    quality = {s.id: _quality(search, s, split) for s in (chosen, zero)}
    speedup = finals.timed[chosen.id].speedup
    if outcome == "met":
        untried = search.board.untried()
        sentence = met_sentence(chosen.candidate, speedup, chosen.id == zero.id, run.need.minimise, untried)
        constant = no_better_than_constant(run, quality[chosen.id])
        if constant is not None:
            sentence += " " + useless_sentence(run.need.metric, quality[chosen.id].value, constant)
    else:
        sentence = not_met_sentence(limits, run.need.require, in_time=search.in_time)
        instead = relaxed_sentences(relaxed(search, memory), run.need.require, sentence)
        sentence = f"{sentence} {instead}".strip()
    search.board.update(chosen.id, status="chosen", why=sentence)
    verdict = Verdict("met" if outcome == "met" else "not_met", limits, sentence)
    return Proof(verdict, chosen.id, zero.id, finals, memory, quality, split, opened.opening, opened.alpha)


def _judge_limit(
    search: Search,
    limit: Limit,
    chosen: Standing,
    memory: Mapping[str, Figure],
    opened: _Opened,
) -> LimitResult:
    run = search.run
    if not limit.is_quality:
        figure = _figure_of(limit, chosen, memory)
        met = holds(limit, figure)
        how = "the bytes of its model files" if limit.name == "size" else "measured over fresh launches"
        return LimitResult(limit, figure, met, how if met else "its bound is beyond the limit")
    if limit.compares and search.is_baseline(chosen):
        same = 0.0 if limit.is_drop else 1.0
        return LimitResult(limit, Figure.exact(same, limit.unit), True, "it is the baseline itself")
    seen = confirm_outputs(search, chosen) if opened.opening is not None else chosen.seen
    bounds = limit_bounds(limit, seen, opened.alpha, run.base, run.need.seed) if seen else None
    figure = Figure(bounds.value, limit.unit, bounds.low, bounds.high, "measured") if bounds else None
    if opened.opening is None:
        return LimitResult(limit, figure, False, "unproven: seen on select only, confirm was not opened")
    met = opened.passed and holds(limit, figure)
    return LimitResult(limit, figure, met, f"on {len(run.data.rows('confirm'))} untouched rows")


def _quality(search: Search, standing: Standing, split: str) -> Figure:
    run = search.run
    if split == "confirm":
        seen = confirm_outputs(search, standing)
    elif standing.seen is not None:
        seen = standing.seen
    else:
        assert standing.variant is not None
        source = search.sources[standing.candidate.model]
        outputs = read_split(run, source, standing.variant, "select", run.work / "outputs").outputs
        seen = run.seen("select", outputs, search.compared_with(source))
    bounds = metric_bounds(run.need.metric, seen, 1.0 - run.need.confidence, run.base, run.need.seed)
    return Figure(bounds.value, "", bounds.low, bounds.high, "measured")

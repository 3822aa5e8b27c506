"""How often is a compression called `met` that is not? 500 re-drawn splits of stored answers, judged by the real code.

A network of the tasks is trained and cut, without training after the cut, to some shares of its time, so that it loses
accuracy. The answers of the whole file and of the cut ones on all rows that nothing was learnt from are the population:
what the cut files lose on it is the truth. The limit is set a hair below the smallest of these drops, so that every
candidate violates it, one of them by next to nothing. Rows of select and confirm are then drawn again and again, with
replacement, and the judging of `sartor fit` is replayed on them: race, gate, finalist and fallback, confirm.

    python benchmarks/compress/false_passes.py [--task fashion] [--replays 500] [--data ../shared/data] [--folder OUT]

It holds when at most 5% of the replays end in `met`, with an upper bound (Clopper & Pearson) of at most 7.5%. One that
never says `met` would hold as well, so the same replays are told with limits that leave room: a good judge says `met`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from _cut_task import answers, pruned_to, ready_task, task_arguments
from _ready import Ready, Rows, rows_of
from _record import record
from numpy.typing import NDArray

from sartor.errors import CandidateError
from sartor.fit.judge import (
    LONG_SHOT,
    Finalist,
    Proving,
    chance,
    confirm,
    error_shares,
    likely,
    race,
    reliability,
    will_do_as_fallback,
    with_fallback,
    with_spare,
)
from sartor.measure import statistics
from sartor.measure.quality_bounds import Outputs, paired_counts
from sartor.need import Limit
from sartor.steps.prepared import Prepared

CONFIDENCE = 0.95
MOST, MOST_HIGH = 0.05, 0.075
SHARES = (0.5, 0.45, 0.4, 0.35, 0.3)  # of the whole network's time
LEAST_DROP, HAIR = 0.003, 0.0001
ROOM = (0.005, 0.01)  # between what the most accurate file loses and limits that it keeps
SELECT = CONFIRM = 3000


def cut_files(ready: Ready, rows: Rows, folder: Path) -> dict[str, Path]:
    """The network at several shares of its time; one that it cannot be cut to is left out."""
    files = {}
    for share in SHARES:
        try:
            files[f"cut to {share:.0%} of its time"] = pruned_to(ready, rows, share, folder / f"{share:g}")
        except CandidateError as reason:
            print(f"{share:.0%} of the time: {reason.detail}")
    return files


def population(ready: Ready, folder: Path) -> tuple[dict[str, Outputs], dict[str, float]]:
    """Answers of the cut files that lose enough, on all rows of select and confirm; and what each loses, in truth."""
    rows = rows_of(ready, folder / "rows")
    numbers = np.concatenate([rows.disk.rows(split) for split in ("select", "confirm")])
    kept, labels = Prepared.load(rows.saved).take(numbers), rows.disk.dataset.labels[numbers]
    baseline = answers(ready.model, kept)
    seen, drops = {}, {}
    for name, path in cut_files(ready, rows, folder / "cuts").items():
        one = Outputs(labels, answers(path, kept), baseline)
        lost, gained, _ = paired_counts(one)
        drop = (lost - gained) / len(labels)
        print(f"{name}: loses {1e2 * drop:.2f} pt of {len(labels)} rows", flush=True)
        if drop >= LEAST_DROP:
            seen[name], drops[name] = one, drop
    return seen, drops


def drawn(seen: Mapping[str, Outputs], rows: NDArray[np.int64]) -> dict[str, Outputs]:
    """The answers on some rows."""
    return {name: _taken(each, rows) for name, each in seen.items()}


def _taken(seen: Outputs, rows: NDArray[np.int64]) -> Outputs:
    assert seen.baseline is not None
    return Outputs(seen.labels[rows], seen.outputs[rows], seen.baseline[rows], seen.kind)


def _up_to(seen: Outputs, start: int, stop: int) -> Outputs:
    return seen.head(stop)


def ends_met(limit: Limit, select: Mapping[str, Outputs], final: Mapping[str, Outputs], order: Sequence[str]) -> bool:
    """The judging of one fit, on stored answers; candidates come fastest first."""
    base, shares = Path.cwd(), error_shares(CONFIDENCE, 0)
    proving = Proving(len(next(iter(final.values())).labels), shares.first, may_gain=False)
    hopeful, spare, sure, reliable = [], [], set(), {}
    for name in order:
        everything = select[name]
        read = functools.partial(_up_to, everything)
        seen, dropped_by = race(len(everything.labels), (limit,), read, base, proving=proving)
        if dropped_by is None and likely((limit,), seen, proving, base):
            hopeful.append(name)
            reliable[name] = reliability((limit,), seen, proving, base)
            if will_do_as_fallback((limit,), seen, proving, base):
                sure.add(name)
        elif dropped_by is None and chance((limit,), seen, proving, base) >= LONG_SHOT:
            spare.append(name)
    names = with_fallback(hopeful, reliable, ())
    ahead = bool(spare and names) and order.index(spare[0]) < order.index(names[0]) and names[0] in sure
    names = with_spare(names, spare, (), ahead=ahead)
    finalists = [Finalist(name, (limit,)) for name in names]
    return confirm(finalists, lambda name: final[name], shares, base).winner is not None


def replay(seen: Mapping[str, Outputs], limit: Limit, replays: int) -> int:
    """How many replays end in `met`; which candidate is fastest is drawn as well."""
    random = np.random.default_rng(0)
    rows, met = len(next(iter(seen.values())).labels), 0
    for _ in range(replays):
        select, final = (drawn(seen, random.integers(rows, size=size)) for size in (SELECT, CONFIRM))
        met += ends_met(limit, select, final, random.permutation(list(seen)).tolist())
    return met


def main() -> int:
    """Run it."""
    parser = task_arguments(__doc__, training="3 min")
    parser.add_argument("--replays", type=int, default=500)
    options = parser.parse_args()
    with ready_task(options) as task:
        if task is None:
            return 0
        ready, home = task
        seen, drops = population(ready, home / "population")
    if not drops:
        print("no cut file loses enough to set a limit by")
        return record("false_passes", {"task": options.task, "drops": drops}, False, options.results)
    limit = Limit("accuracy_drop", "<=", min(drops.values()) - HAIR, "pt")
    met = replay(seen, limit, options.replays)
    bounds = statistics.proportion_bounds(met, options.replays, 1.0 - CONFIDENCE)
    print(f"{limit}: {met} of {options.replays} replays met, {bounds.value:.1%}, at most {bounds.high:.1%}")
    rooms = {
        room: replay(seen, Limit("accuracy_drop", "<=", min(drops.values()) + room, "pt"), options.replays)
        for room in ROOM
    }
    for room, often in rooms.items():
        print(f"with {1e2 * room:g} pt of room: {often / options.replays:.0%} met")
    figures: dict[str, Any] = {
        "task": options.task,
        "rows": len(next(iter(seen.values())).labels),
        "drops": drops,
        "limit": limit.value,
        "replays": options.replays,
        "met": met,
        "high": bounds.high,
        "met_with_room": {f"{1e2 * room:g} pt": often for room, often in rooms.items()},
    }
    return record("false_passes", figures, bounds.value <= MOST and bounds.high <= MOST_HIGH, options.results)


if __name__ == "__main__":
    sys.exit(main())

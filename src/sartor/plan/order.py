"""The order to try candidates in, from what is believed of their times; and why some need not be tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sartor.figures import Figure
from sartor.plan.belief import Belief
from sartor.plan.candidates import Candidate
from sartor.units import format_value

WORTH = 0.05
"""Chance of being better below which a candidate is not timed."""
CLOSE = 0.98
"""Of the time of one that is sure, above which a faster file is no gain worth a look."""
ALIKE = 0.95
"""Of the time of the same file in another setting, above which a screen cannot tell them apart; the settings of the
few that reach the finals are compared again there."""
_SURE = "one that is almost sure to be proved"


@dataclass(frozen=True)
class Choice:
    """What to time next.

    Attributes:
        candidate: None when nothing is left that is worth it.
        dropped: why not, by id, of those that are not worth it.
    """

    candidate: Candidate | None
    dropped: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """What decides whether a slow candidate can matter.

    Attributes:
        speed_only: nothing but quality and speed is asked for, so what is slower than the uncompressed model is out.
        most_seconds: that a call may take; None without such a limit.
        limit: in words.
    """

    speed_only: bool
    most_seconds: float | None = None
    limit: str = ""


def choose(
    belief: Belief,
    waiting: Sequence[Candidate],
    timed: Mapping[Candidate, float],
    asked: Asked,
    sure: Candidate | None = None,
) -> Choice:
    """The most promising candidate that may matter.

    Candidates that give the same answers, which is all uncompressed ones and the settings of one compressed file, are
    rivals: of them only the fastest counts, so one that is hardly faster than the best of them is dropped. Of several
    kinds of answers each has its turn, for what quality will say is not known here.

    Args:
        belief: after everything in `timed`; it knows all that are waiting.
        timed: seconds of those that were timed.
        sure: the fastest compressed one, timed, whose quality will almost certainly be proved.
    """
    dropped: dict[str, str] = {}
    contenders: list[Candidate] = []
    plain = _best(belief, timed, "")
    for answers, rivals in _by_answers(waiting).items():
        best = _best(belief, timed, answers)
        if answers and sure is not None:
            beaten = [one for one in rivals if belief.chance_faster(one, sure, CLOSE) < WORTH]
            if best is None and min(rivals, key=belief.expected) in beaten:
                beaten = rivals  # no file is built for settings that are less promising than its best
            dropped |= {one.id: _slower(belief.figure(one), timed[sure], _SURE) for one in beaten}
            rivals = [one for one in rivals if one not in beaten]
        if not rivals:
            continue
        if best is not None:
            kept = [one for one in rivals if belief.chance_faster(one, best, ALIKE) >= WORTH]
            dropped |= {
                one.id: _slower(belief.figure(one), timed[best], "another setting") for one in rivals if one not in kept
            }
        else:
            kept = [min(rivals, key=belief.expected)]
            why = _hopeless(belief, kept[0], plain, timed, asked) if answers else ""
            if why:
                dropped |= dict.fromkeys((one.id for one in rivals), why)
                kept = []
        contenders += kept
    # The model as it is comes first: what others are worth is known only against it.
    first = [one for one in contenders if not answers_of(one)] or contenders
    return Choice(min(first, key=belief.expected, default=None), dropped)


def answers_of(candidate: Candidate) -> str:
    """What gives the same answers has the same name; the uncompressed model's is empty."""
    return "" if candidate.is_uncompressed else f"{candidate.variant_id}.{candidate.settings.precision}"


def _by_answers(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        found.setdefault(answers_of(candidate), []).append(candidate)
    return found


def _best(belief: Belief, timed: Mapping[Candidate, float], answers: str) -> Candidate | None:
    return min(
        (one for one in timed if one in belief and answers_of(one) == answers), key=timed.__getitem__, default=None
    )


def _hopeless(
    belief: Belief, fastest: Candidate, plain: Candidate | None, timed: Mapping[Candidate, float], asked: Asked
) -> str:
    """Why a file need not be built, going by its most promising setting; empty where it may matter."""
    predicted = belief.figure(fastest)
    if asked.most_seconds is not None and predicted.low > asked.most_seconds:
        return f"{asked.limit}: predicted {predicted}, so not even the edge of the interval meets it"
    if asked.speed_only and plain is not None and belief.chance_faster(fastest, plain, CLOSE) < WORTH:
        return _slower(predicted, timed[plain], "the uncompressed model")
    return ""


def _slower(predicted: Figure, best: float, who: str) -> str:
    return f"predicted {predicted}, and {who} took {format_value(best, 's')}: not timed"

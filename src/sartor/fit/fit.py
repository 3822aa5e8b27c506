"""`fit`: the main job, from a Need and a folder to a result; everything that can go wrong is caught here."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sartor.bundle.values import LimitResult, Outcome, Verdict
from sartor.errors import CandidateError
from sartor.fit.board import Board
from sartor.fit.clock import clock_for
from sartor.fit.evidence import json_of, unchosen_evidence, unchosen_json
from sartor.fit.feasible import Nearest, beyond_floor, infeasible_sentence
from sartor.fit.folder import Folder, cannot_write, open_folder
from sartor.fit.inputs import Opened, open_inputs
from sartor.fit.keep import keep_final, keep_provisional
from sartor.fit.limits import provable
from sartor.fit.nearest import every_candidate_excluded, nearest_to
from sartor.fit.prove import Proof, prove
from sartor.fit.run import DataOnDisk, Jobs, Run
from sartor.fit.search import Search, open_and_screen, train_and_race
from sartor.fit.watch import Silent, Watch
from sartor.machine.device import this_machine
from sartor.measure.floor import measure_floors
from sartor.need import Limit, Need, read_need
from sartor.report.page import write_page
from sartor.runtime import RUNTIMES, open_runtime

REPORT = "report.html"
_MEMORY_SHARE = 0.8  # of the machine, when the Need sets no budget


@dataclass(frozen=True)
class FitResult:
    """What a fit ended with.

    Attributes:
        outcome: met, not_met or infeasible.
        sentence: the verdict in words.
        bundle: the folder; for an infeasible Need it holds no bundle.
        values: the object that `--json` prints.
        resumed: whether an earlier run of this Need left something to reuse.
    """

    outcome: Outcome
    sentence: str
    bundle: Path
    values: dict[str, Any]
    resumed: bool


def fit(
    need: Need | str | Path,
    output: str | Path,
    *,
    base: str | Path | None = None,
    fresh: bool = False,
    watch: Watch | None = None,
) -> FitResult:
    """Train if asked, compress, measure, judge, and write the bundle into `output`.

    Args:
        need: a Need, or the path of its YAML file.
        output: the folder that becomes the bundle; run again with the same Need, it resumes.
        base: folder that paths and callables are relative to; default: that of the YAML file, or the
            current one.
        fresh: forget an earlier run in `output`.
        watch: told what happens; default: nobody.

    Raises:
        InputError: the Need, model, data or folder cannot be used; nothing is half-written.
    """
    if not isinstance(need, Need):
        base = base if base is not None else Path(need).resolve().parent
        need = read_need(Path(need))
    path, where, watch = Path(output), Path(base or Path.cwd()).resolve(), watch or Silent()
    watch.phase("open the model and the data")
    opened = open_inputs(need, where)
    with _held(path, need, fresh) as folder:
        done = folder.trials.fact("result")
        if done is not None and (path / "bundle.json").exists() == (done["verdict"] != "infeasible"):
            return FitResult(
                done["verdict"], done["sentence"], path, {**done, "bundle": str(path), "already_answered": True}, True
            )
        with _running(need, where, opened, folder, watch) as run:
            values = _fit(run, opened, path)
        if not values.pop("budget_ended", False):
            folder.trials.set_fact("result", values)
        return FitResult(values["verdict"], values["sentence"], path, values, folder.resumed)


@contextlib.contextmanager
def _held(path: Path, need: Need, fresh: bool) -> Iterator[Folder]:
    """Hold the folder; what the file system refuses becomes one clear error."""
    folder = open_folder(path, need, fresh=fresh)
    try:
        yield folder
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EPERM):
            raise cannot_write(path, error) from None
        raise
    except sqlite3.OperationalError as error:
        raise cannot_write(path, OSError(errno.ENOSPC, str(error))) from None
    finally:
        folder.close()


@contextlib.contextmanager
def _running(need: Need, base: Path, opened: Opened, folder: Folder, watch: Watch) -> Iterator[Run]:
    memory = need.budget.memory or _MEMORY_SHARE * psutil.virtual_memory().total
    jobs = Jobs(memory)
    split = opened.splits.hashes["confirm"]
    provable(
        opened.limits,
        need.confidence,
        folder.trials.openings_of_others(split, need.identity()),
        len(opened.splits.confirm),
    )
    try:
        yield Run(
            need=need,
            base=base,
            work=folder.work.resolve(),
            data=DataOnDisk(opened.dataset, opened.splits, folder.work.resolve() / "data"),
            limits=opened.limits,
            trials=folder.trials,
            jobs=jobs,
            clock=clock_for(need.budget.time),
            watch=watch,
            machine=this_machine(),
            versions={name: open_runtime(name).version() for name in RUNTIMES},
            memory_limit=memory,
        )
    finally:
        jobs.close()


def _fit(run: Run, opened: Opened, path: Path) -> dict[str, Any]:
    search = Search(run, Board())
    search.board.add((), opened.refusals)
    for said in opened.provable:
        run.watch.note(said)
    beyond = _beyond_floor(run)
    if beyond is not None:
        limit, floor = beyond
        found = nearest_to(search, limit, opened.models)
        return _infeasible(search, limit, floor, found, path)
    open_and_screen(search, opened.models)
    if not search.sources:
        return _unproved(search, path)
    excluded = every_candidate_excluded(search)
    if excluded is not None:
        return _infeasible(search, excluded[0], None, excluded[1], path)
    search.on_best = lambda variant, source, outputs: keep_provisional(search, path, variant, source, outputs)
    train_and_race(search)
    proof = _prove(search)
    if proof is None:
        return _unproved(search, path)
    evidence = keep_final(search, path, proof)
    write_page(evidence, path, path / REPORT)
    return {**json_of(search, proof, str(path)), "budget_ended": _ended(run, proof)}


def _prove(search: Search) -> Proof | None:
    for _ in range(2):
        try:
            return prove(search)
        except CandidateError as error:
            if not error.candidate:
                raise
            search.run.watch.note(f"a finalist failed, so the others are timed: {error}")
            search.board.fail(error.candidate, str(error))
    return None


def _ended(run: Run, proof: Proof) -> bool:
    return proof.verdict.outcome != "met" and not run.clock.search_goes_on()


def _beyond_floor(run: Run) -> tuple[Limit, float] | None:
    if not run.performance_limits:
        return None
    run.watch.phase("measure the floors of this machine")
    folder = run.work / "floors"
    folder.mkdir(exist_ok=True)
    floors = measure_floors(folder, tuple(RUNTIMES))
    return beyond_floor(run.performance_limits, floors, run.need.workload.batch)


def _infeasible(search: Search, limit: Limit, floor: float | None, found: Nearest | None, path: Path) -> dict[str, Any]:
    sentence = infeasible_sentence(limit, floor, found)
    figure = found.figure if found else None
    results = tuple(
        LimitResult(
            each,
            figure if each == limit else None,
            False,
            "no candidate can meet it" if each == limit else "not looked at",
        )
        for each in search.run.limits
    )
    verdict = Verdict("infeasible", results, sentence)
    return _report_unchosen(search, unchosen_json(search, verdict, str(path), limit.name, found), path)


def _unproved(search: Search, path: Path) -> dict[str, Any]:
    ended = not search.run.clock.search_goes_on()
    unopened = [f"{refusal.what}: {refusal.why}" for refusal in search.board.refusals[-1:] if not search.sources]
    failed = next((s.why for s in search.board.all() if s.status == "failed"), "".join(unopened))
    sentence = (
        "Not met: the time budget ended before any candidate could be proved; give `budget: {time: ...}` more."
        if ended
        else f"Not met: no candidate is left. {failed or 'See the reasons in the report.'}"
    )
    results = tuple(LimitResult(limit, None, False, "unproven") for limit in search.run.limits)
    values = unchosen_json(search, Verdict("not_met", results, sentence), str(path))
    return {**_report_unchosen(search, values, path), "budget_ended": ended}


def _report_unchosen(search: Search, values: dict[str, Any], path: Path) -> dict[str, Any]:
    write_page(unchosen_evidence(search, values), path, path / REPORT)
    return values

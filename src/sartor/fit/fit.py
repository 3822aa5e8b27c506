"""`fit`: the main job, from a Need and a folder to a result; everything that can go wrong is caught here."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sartor.bundle.manifest import read_manifest
from sartor.bundle.values import LimitResult, Outcome, Verdict
from sartor.errors import BundleError, CandidateError, InputError
from sartor.fit.board import Board
from sartor.fit.clock import clock_for
from sartor.fit.distil import distil
from sartor.fit.evidence import json_of, unchosen_evidence, unchosen_json
from sartor.fit.experience import remember
from sartor.fit.feasible import Nearest, beyond_floor, infeasible_sentence
from sartor.fit.folder import Folder, cannot_write, open_folder
from sartor.fit.inputs import Opened, open_inputs
from sartor.fit.keep import keep_final, keep_provisional
from sartor.fit.learn_rounding import learn_rounding
from sartor.fit.limits import provable
from sartor.fit.mixed import refine
from sartor.fit.nearest import every_candidate_excluded, nearest_to
from sartor.fit.prove import Proof, prove
from sartor.fit.run import DataOnDisk, Jobs, Run
from sartor.fit.search import Search, open_and_screen, revive_nearest, train_and_race
from sartor.fit.shrink import shrink
from sartor.fit.trials import Trials
from sartor.fit.watch import Silent, Watch
from sartor.machine.calibration_file import find_calibration
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
    exhaustive: bool = False,
    watch: Watch | None = None,
) -> FitResult:
    """Train if asked, compress, measure, judge, and write the bundle into `output`.

    Args:
        need: a Need, or the path of its YAML file.
        output: the folder that becomes the bundle; run again with the same Need, it resumes.
        base: folder that paths and callables are relative to; default: that of the YAML file, or the
            current one.
        fresh: forget an earlier run in `output`.
        exhaustive: time every candidate, whatever a calibration of this machine predicts.
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
    with _held(path, need, opened, fresh) as folder, _running(need, where, opened, folder, watch, exhaustive) as run:
        asked = {**opened.identity(), "machine": run.machine.fingerprint(), "versions": dict(run.versions)}
        done = _answered(folder, asked, run)
        if done is not None:
            return FitResult(done["verdict"], done["sentence"], path, {**done, "bundle": str(path)}, True)
        values = _fit(run, opened, path)
        folder.trials.set_fact("result", {"asked": asked, "budget": folder.trials.budget, "values": values})
        return FitResult(values["verdict"], values["sentence"], path, values, folder.resumed)


def _answered(folder: Folder, asked: dict[str, Any], run: Run) -> dict[str, Any] | None:
    """The stored answer to the very same question, unless it was not met and there is more to spend now."""
    stored = folder.trials.fact("result")
    if stored is None or stored.get("asked") != asked:
        return None
    values: dict[str, Any] = stored["values"]
    verdict = values["verdict"]
    complete = (folder.path / "bundle.json").exists() or verdict == "infeasible"
    more = any(run.trials.budget[name] > stored["budget"][name] for name in run.trials.budget)
    if not complete or values["budget_ended"] or (verdict == "not_met" and more):
        return None
    return {**values, "already_answered": True}


@contextlib.contextmanager
def _held(path: Path, need: Need, opened: Opened, fresh: bool) -> Iterator[Folder]:
    """Hold the folder; what the file system refuses becomes one clear error."""

    def still_provable(trials: Trials) -> None:
        earlier = trials.openings_of_others(opened.splits.hashes["confirm"], need.identity())
        provable(opened.limits, need.confidence, earlier, len(opened.splits.confirm))

    folder = open_folder(path, need, fresh=fresh, check=still_provable)
    try:
        yield folder
    except InputError:
        folder.release()
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EPERM):
            raise cannot_write(path, error) from None
        raise
    except sqlite3.OperationalError as error:
        raise cannot_write(path, OSError(errno.ENOSPC, str(error))) from None
    finally:
        folder.close()


@contextlib.contextmanager
def _running(need: Need, base: Path, opened: Opened, folder: Folder, watch: Watch, exhaustive: bool) -> Iterator[Run]:
    machine, versions = this_machine(), {name: open_runtime(name).version() for name in RUNTIMES}
    memory = need.budget.memory or _MEMORY_SHARE * machine.memory_bytes
    folder.trials.budget = {"time": need.budget.time, "memory": memory}
    jobs = Jobs(memory)
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
            machine=machine,
            versions=versions,
            metric_code=opened.metric_code,
            step_files=opened.step_files,
            memory_limit=memory,
            compressed=opened.compressed,
            description=opened.description,
            calibration=find_calibration(machine, versions).calibration,
            exhaustive=exhaustive,
        )
    finally:
        jobs.close()


def _fit(run: Run, opened: Opened, path: Path) -> dict[str, Any]:
    search = Search(run, Board())
    search.board.add((), opened.refusals)
    for said in (*opened.notes, *opened.provable):
        run.watch.note(said)
    beyond = _beyond_floor(run)
    if beyond is not None:
        limit, floor = beyond
        found = nearest_to(search, limit, opened.models)
        return _infeasible(search, limit, floor, found, path)
    open_and_screen(search, opened.models)
    if not search.sources:
        return _unproved(search, path)
    excluded = every_candidate_excluded(search) if not search.unopened else None
    if excluded is not None:
        return _infeasible(search, excluded[0], None, excluded[1], path)
    revive_nearest(search)
    if not _is_judged(path):
        search.on_hopeful = lambda variant, source, outputs: keep_provisional(search, path, variant, source, outputs)
    train_and_race(search)
    refine(search)
    distil(search)
    learn_rounding(search)
    shrink(search)
    proof = _prove(search)
    if proof is None:
        return _unproved(search, path)
    remember(search)
    evidence = keep_final(search, path, proof)
    write_page(evidence, path, path / REPORT)
    # The model as it is meets a Need that others were not tried for: the same command goes on with them.
    settled = proof.verdict.outcome == "met" and proof.chosen != proof.zero
    return {**json_of(search, proof, str(path)), "budget_ended": not (search.in_time or settled)}


def _is_judged(path: Path) -> bool:
    """Whether the folder holds a bundle that an earlier run judged; it is replaced by a judged one only."""
    try:
        return not read_manifest(path).provisional
    except BundleError:
        return False


def _prove(search: Search) -> Proof | None:
    """Prove, without the finalists that turn out not to run any more; None when none is left."""
    while True:
        try:
            return prove(search)
        except CandidateError as error:
            failed = search.board.get(error.candidate)
            if failed is None or failed.status == "failed":
                raise
            search.run.watch.note(f"a finalist failed, so the others are timed: {error}")
            search.board.fail(failed.id, str(error))


def _beyond_floor(run: Run) -> tuple[Limit, float] | None:
    if not run.performance_limits:
        return None
    run.watch.phase("measure the floors of this machine")
    folder = run.work / "floors"
    folder.mkdir(exist_ok=True)
    try:
        floors = measure_floors(folder, tuple(RUNTIMES), run.memory_limit)
    except CandidateError as error:
        run.watch.note(f"the floors could not be measured: {error}")
        return None
    return beyond_floor(run.performance_limits, floors, run.need.workload.batch)


def _infeasible(search: Search, limit: Limit, floor: float | None, found: Nearest | None, path: Path) -> dict[str, Any]:
    sentence = infeasible_sentence(limit, floor, found, search.run.need.require)
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
    values = _report_unchosen(search, unchosen_json(search, verdict, str(path), limit.name, found), path)
    return {**values, "budget_ended": False}


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
    # Nothing was proved: the next run of the same command tries again rather than repeat this answer.
    return {**_report_unchosen(search, values, path), "budget_ended": True}


def _report_unchosen(search: Search, values: dict[str, Any], path: Path) -> dict[str, Any]:
    write_page(unchosen_evidence(search, values), path, path / REPORT)
    return values

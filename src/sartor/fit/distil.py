"""Models that are fast and not good enough learn the answers of the most accurate one."""

from __future__ import annotations

from dataclasses import replace

from sartor.fit.forms import candidate_in, forms_of
from sartor.fit.reshaping import recovery
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.fit.trying import fastest_likely, try_candidate

_GAIN = 0.97  # of the fastest so far, which a model must be to be worth minutes


def distil(search: Search) -> None:
    """Name the most accurate model the teacher of the others, and train those that it may make good enough.

    Their networks learn from it whenever they are trained back from now on (Hinton et al. 2015, "Distilling the
    knowledge in a neural network", arXiv 1503.02531). A model that will probably be proved as it is needs no teacher,
    and one that is held against its own answers may not have another.
    """
    run, teacher = search.run, search.sources.get(search.baseline)
    if teacher is None or run.compares_with_itself or not len(run.data.rows("train")):
        return
    if run.need.minimise not in ("latency", "throughput"):
        return
    for source in [one for one in search.ready() if one is not teacher and _answer_alike(one, teacher)]:
        name = source.model.name
        search.sources[name] = taught = replace(source, teacher=teacher)
        forms = forms_of(search, taught)
        good = any(form.likely and form.candidate.is_uncompressed for form in forms)
        fast = bool(forms) and (forms[0].seconds or 0.0) <= _GAIN * fastest_likely(search)
        if good or not fast or not source.rows.dynamic_batch:
            continue
        if not run.clock.search_goes_on():
            search.in_time = False
            return
        run.watch.phase(f"{name}: trained on the answers of {teacher.model.name}", len(forms))
        for form in forms:
            try_candidate(search, taught, candidate_in(form, recovery(taught)))


def _answer_alike(source: Source, teacher: Source) -> bool:
    """Whether both are given the same arrays in batches of any size, and give as many columns."""
    asked, given = (one.signature.outputs[one.output].shape[1:] for one in (source, teacher))
    return source.inputs.saved == teacher.inputs.saved and asked == given and teacher.rows.dynamic_batch

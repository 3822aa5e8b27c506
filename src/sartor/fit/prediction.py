"""What a calibration of this machine says of a fit's candidates before any of them is built."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sartor.cost.capture import capture
from sartor.errors import InputError
from sartor.fit.run import Run
from sartor.fit.stages import Source
from sartor.machine.samples import Network
from sartor.plan.belief import Belief, believe
from sartor.plan.candidates import Candidate
from sartor.plan.outline import describe


def belief_of(run: Run, source: Source, candidates: Sequence[Candidate]) -> Belief | None:
    """None where this machine is not calibrated, the model's shapes cannot be followed, or it is compressed already:
    what its file computes in is not known then."""
    calibration = run.calibration
    if calibration is None or not calibration.efficiencies or run.compressed.get(source.model.name):
        return None
    network = network_of(run, source)
    return None if network is None else believe(calibration, network, list(candidates))


def network_of(run: Run, source: Source) -> Network | None:
    """What the times of a model depend on, for calls as the Need's workload makes them."""
    batch, length = run.need.workload.batch, _usual_length(run, source)
    shapes = {}
    for name, shape in source.row_shapes.items():
        varies = length and name in source.fed["padding"]
        shapes[name] = (batch, length, *shape[1:]) if varies else (batch, *shape)
    try:
        return describe(capture(source.path, shapes=shapes), source.path.stat().st_size)
    except InputError as error:  # a file that runs all the same, such as one with shapes that only the data decide
        run.watch.note(f"{source.model.name}: its times are not predicted: {error.came}")
        return None


def _usual_length(run: Run, source: Source) -> int:
    """The median length of a row; 0 where all have one shape."""
    saved = source.inputs.saved["lengths"]
    return 0 if saved is None else int(np.median(np.load(saved)[run.data.rows("select")]))

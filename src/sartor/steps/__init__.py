"""Declared pre- and post-processing: a bundle carries it as JSON and runs it without torch."""

from sartor.steps.arithmetic import fit_standardise
from sartor.steps.base import Step
from sartor.steps.labels import probabilities, scores_kind, to_labels
from sartor.steps.prepare import apply_steps, fit_steps, prepare
from sartor.steps.read import read_steps

__all__ = [
    "Step",
    "apply_steps",
    "fit_standardise",
    "fit_steps",
    "prepare",
    "probabilities",
    "read_steps",
    "scores_kind",
    "to_labels",
]

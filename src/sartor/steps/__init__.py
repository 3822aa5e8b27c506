"""Declared pre- and post-processing: a bundle carries it as JSON and runs it without torch."""

from sartor.steps.arithmetic import fit_standardise
from sartor.steps.base import Step
from sartor.steps.given import prepare_for
from sartor.steps.labels import probabilities, scores_kind, to_labels
from sartor.steps.prepare import apply_steps, fit_steps, prepare
from sartor.steps.prepared import Prepared
from sartor.steps.read import read_steps, step_files, with_files
from sartor.steps.rows import prepare_rows
from sartor.steps.specs import InputSpec, for_model

__all__ = [
    "InputSpec",
    "Prepared",
    "Step",
    "apply_steps",
    "fit_standardise",
    "fit_steps",
    "for_model",
    "prepare",
    "prepare_for",
    "prepare_rows",
    "probabilities",
    "read_steps",
    "scores_kind",
    "step_files",
    "to_labels",
    "with_files",
]

"""Whether a model's inputs and outputs fit the data of the Need."""

from __future__ import annotations

from collections.abc import Mapping

from sartor.errors import ModelError
from sartor.model.onnx import judged_output
from sartor.model.values import Dimension, Model, Signature
from sartor.need import Need


def check_inputs(model: Model, signature: Signature, rows: Mapping[str, tuple[int, ...]], need: Need) -> None:
    """Inputs that take rows of these shapes and calls of the workload's size.

    Args:
        rows: shape of one row of each input.

    Raises:
        ModelError: otherwise; says what came and what the model takes.
    """
    for spec in signature.inputs:
        _check_input(model, spec.name, spec.shape or ("batch",), rows[spec.name], need.workload.batch)


def _check_input(
    model: Model, name: str, shape: tuple[Dimension, ...], row: tuple[int, ...], workload_batch: int
) -> None:
    batch, *wanted = shape
    if len(wanted) != len(row) or any(isinstance(w, int) and w != got for w, got in zip(wanted, row, strict=True)):
        raise ModelError(
            f"the data's rows have shape {' x '.join(map(str, row)) or 'scalar'} after preprocess",
            f"`{model.reference}` takes rows of shape {' x '.join(map(str, wanted)) or 'scalar'} as `{name}`",
            "add steps to `preprocess`, such as resize or reshape",
        )
    if isinstance(batch, int) and batch != workload_batch:
        raise ModelError(
            f"`{model.reference}` takes exactly {batch} rows a call, the workload has {workload_batch}",
            f"workload: {{batch: {batch}}}, or a model with a dynamic batch",
        )


def check_outputs(model: Model, signature: Signature, need: Need, classes: int) -> int:
    """The number of the output to judge: one column a class (or one for two classes), or one value.

    It is the one that the Need names, else the first that fits. Without labels any numbers will do.

    Raises:
        ModelError: no output is of that shape, or not the one that the Need names; lists them.
    """
    wanted = need.output or model.output
    if not need.labelled:
        return judged_output(signature, wanted, None)
    allowed = [1] if need.kind == "regression" else [classes, 1] if classes == 2 else [classes]
    problems = []
    for columns in allowed:
        try:
            return judged_output(signature, wanted, columns)
        except ModelError as problem:
            problems.append(problem)
    per_class = "rows x 1" if need.kind == "regression" else f"rows x {classes}, one column a class"
    raise ModelError(
        f"`{model.reference}`: {problems[0].came}",
        f"{per_class} (the data has {classes} classes)" if classes else per_class,
        "check `labels:` and the model's head, or name the output with `output:`",
    )

"""Whether a model's inputs and outputs fit the data of the Need."""

from __future__ import annotations

from sartor.errors import ModelError
from sartor.model.values import Model, Signature
from sartor.need import Need


def check_inputs(model: Model, signature: Signature, rows: tuple[int, ...], need: Need) -> None:
    """One input, which takes rows of this shape and calls of the workload's size.

    Raises:
        ModelError: otherwise; says what came and what the model takes.
    """
    if len(signature.inputs) != 1:
        names = ", ".join(spec.name for spec in signature.inputs)
        raise ModelError(f"`{model.reference}` has {len(signature.inputs)} inputs ({names})", "one input")
    batch, *wanted = signature.inputs[0].shape or ("batch",)
    if len(wanted) != len(rows) or any(isinstance(w, int) and w != got for w, got in zip(wanted, rows, strict=True)):
        raise ModelError(
            f"the data's rows have shape {' x '.join(map(str, rows)) or 'scalar'} after preprocess",
            f"`{model.reference}` takes rows of shape {' x '.join(map(str, wanted)) or 'scalar'}",
            "add steps to `preprocess`, such as resize or reshape",
        )
    if isinstance(batch, int) and batch != need.workload.batch:
        raise ModelError(
            f"`{model.reference}` takes exactly {batch} rows a call, the workload has {need.workload.batch}",
            f"workload: {{batch: {batch}}}, or a model with a dynamic batch",
        )


def check_outputs(model: Model, signature: Signature, need: Need, classes: int) -> None:
    """One output for each class (or one column for two classes, or one value for a regression).

    Raises:
        ModelError: otherwise; says how many came.
    """
    shape = signature.outputs[0].shape
    columns = shape[1] if len(shape) == 2 else 1 if len(shape) == 1 else None
    allowed = {1} if need.kind == "regression" else {classes, 1} if classes == 2 else {classes}
    if columns is None or (isinstance(columns, int) and columns not in allowed):
        wanted = "rows x 1" if need.kind == "regression" else f"rows x {classes}, one column a class"
        raise ModelError(
            f"output `{signature.outputs[0].name}` of `{model.reference}` has shape {list(shape)}",
            f"{wanted} (the data has {classes} classes)" if classes else wanted,
            "check `labels:` and the model's head",
        )

"""Which recipes a runtime offers, and why the others do not apply."""

from __future__ import annotations

from sartor.machine.device import Machine
from sartor.plan.recipe import CompressionStep, Recipe

_CALIBRATIONS: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("minmax", "entropy", "percentile"),
    "openvino": ("minmax", "mixed", "percentile"),
}
_NO_CALIBRATION: dict[tuple[str, str], str] = {
    (
        "onnxruntime",
        "mixed",
    ): "`mixed` is NNCF's name for unsigned activations, which ONNX Runtime always gets",
    ("openvino", "entropy"): "NNCF has no entropy calibration",
}


def recipes(runtime: str) -> tuple[Recipe, ...]:
    """Every recipe that is known, simplest first; `why_not` says which of them `runtime` can use here."""
    every = dict.fromkeys(name for names in _CALIBRATIONS.values() for name in names)
    own = _CALIBRATIONS.get(runtime, ())
    ordered = [*own, *(name for name in every if name not in own)]
    static = (CompressionStep("int8-static", (("calibration", name),)) for name in ordered)
    coarse = CompressionStep("int8-dynamic", (("scales", "tensor"),))
    steps = (CompressionStep("fp16-weights"), CompressionStep("int8-dynamic"), coarse, *static)
    return (Recipe(), *(Recipe((step,)) for step in steps))


def why_not(recipe: Recipe, runtime: str, machine: Machine) -> str | None:
    """None when the recipe applies, else the reason in one sentence."""
    if runtime not in _CALIBRATIONS:
        return f"no compression is known for the runtime {runtime}"
    if len(recipe.effective) > 1:
        return "steps are not combined: int8 already stores nearly all weights in less than fp16 does"
    return next((why for step in recipe.effective if (why := _step_why_not(step, runtime, machine))), None)


def _step_why_not(step: CompressionStep, runtime: str, machine: Machine) -> str | None:
    if step.keeps and step.name != "int8-static":
        return f"only int8 static leaves layers in f32, {step.name} does not"
    if step.name == "int8-dynamic" and runtime == "openvino":
        return "OpenVINO quantizes activations ahead of time only; int8 static serves it"
    if step.name.startswith("int8") and machine.isa_class in ("x86", "arm"):
        return f"{machine.cpu} has no vector instructions for 8-bit products"
    calibration = str(step.setting("calibration", "minmax"))
    if step.name == "int8-static" and calibration not in _CALIBRATIONS[runtime]:
        return _NO_CALIBRATION.get((runtime, calibration), f"{runtime} has no calibration `{calibration}`")
    return None

"""Which recipes a runtime offers, and why the others do not apply."""

from __future__ import annotations

from dataclasses import replace

from sartor.machine.device import Machine
from sartor.plan.recipe import RESHAPING, CompressionStep, Recipe

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
_GROUPS = (32, 64, 128)


def recipes(runtime: str, *, for_bytes: bool = False, attends: bool = True) -> tuple[Recipe, ...]:
    """Every recipe that is known, simplest first; `why_not` says which of them `runtime` can use here.

    Args:
        runtime: whose calibrations come first.
        for_bytes: whether fewer bytes are a gain by themselves. If so, weights alone in 8 and 4 bits are among them,
            which are hardly ever faster.
        attends: whether the model may have attention; without it a file of fused operators is what the runtime makes
            of the plain one while it loads it.
    """
    every = dict.fromkeys(name for names in _CALIBRATIONS.values() for name in names)
    own = _CALIBRATIONS.get(runtime, ())
    ordered = [*own, *(name for name in every if name not in own)]
    static = [CompressionStep("int8-static", (("calibration", name),)) for name in ordered]
    corrected = CompressionStep("int8-static", (("calibration", "minmax"), ("bias", "corrected")))
    coarse = CompressionStep("int8-dynamic", (("scales", "tensor"),))
    steps = [CompressionStep("fp16-weights"), CompressionStep("int8-dynamic"), coarse, *static, corrected]
    if attends:
        steps.append(CompressionStep("fused"))
    if for_bytes:
        steps += [CompressionStep("int8-weights"), CompressionStep("int4-weights")]
    found = [Recipe(), *(Recipe((step,)) for step in steps)]
    return tuple(sorted(found, key=lambda recipe: recipe.complexity))


def soonest_built(recipe: Recipe, runtime: str) -> Recipe:
    """The recipe whose file has the same operators and takes least to make: enough where only times count.

    ONNX Runtime gets the same operators by every calibration, the fastest of which takes a second where another takes a
    minute; NNCF gives some activations another sign by `mixed`.
    """
    if runtime != "onnxruntime":
        return recipe
    return Recipe(tuple(_soonest(step) if step.name == "int8-static" else step for step in recipe.steps))


def _soonest(step: CompressionStep) -> CompressionStep:
    others = tuple((key, value) for key, value in step.settings if key not in ("calibration", "bias"))
    return replace(step, settings=(("calibration", _CALIBRATIONS["onnxruntime"][0]), *others))


def why_not(recipe: Recipe, runtime: str, machine: Machine) -> str | None:
    """None when the recipe applies, else the reason in one sentence."""
    if runtime not in _CALIBRATIONS:
        return f"no compression is known for the runtime {runtime}"
    if len(recipe.effective) > 1:
        return "steps are not combined: int8 already stores nearly all weights in less than fp16 does"
    return next((why for step in recipe.effective if (why := _step_why_not(step, runtime, machine))), None)


def _step_why_not(step: CompressionStep, runtime: str, machine: Machine) -> str | None:
    if step.name in RESHAPING:
        return f"{step.name} gives another network, which `fit` searches for; a recipe here says how one is stored"
    if step.keeps and step.name not in ("int8-static", "int8-dynamic"):
        return f"only int8 static and dynamic leave layers in f32, {step.name} does not"
    if step.name == "fused" and runtime == "openvino":
        return "OpenVINO fuses operators, those of attention as well, while it loads a file"
    if step.name == "int8-dynamic" and runtime == "openvino":
        return "OpenVINO quantizes activations ahead of time only; int8 static serves it"
    if step.name in ("int8-weights", "int4-weights"):
        return _group_why_not(step)
    if step.name.startswith("int8") and machine.isa_class in ("x86", "arm"):
        return f"{machine.cpu} has no vector instructions for 8-bit products"
    return _setting_why_not(step, runtime)


def _group_why_not(step: CompressionStep) -> str | None:
    group = step.setting("group", 0 if step.name == "int8-weights" else _GROUPS[1])
    if step.name == "int8-weights" and group != 0:
        return f"8-bit weights have one scale for each output (group 0), not one for each {group} weights"
    if step.name == "int4-weights" and group not in _GROUPS:
        return f"4-bit weights come in groups of {', '.join(map(str, _GROUPS))}, not of {group}"
    return None


def _setting_why_not(step: CompressionStep, runtime: str) -> str | None:
    """Of the steps that have integers compute."""
    calibration = str(step.setting("calibration", "minmax"))
    if step.name == "int8-static" and calibration not in _CALIBRATIONS[runtime]:
        return _NO_CALIBRATION.get((runtime, calibration), f"{runtime} has no calibration `{calibration}`")
    if step.name == "int8-static" and runtime == "openvino" and {"activations", "scales"} & {*dict(step.settings)}:
        return "NNCF chooses signs and scales itself: unsigned activations are its calibration `mixed`"
    bias, strength = step.setting("bias", ""), step.setting("equalise", 0.0)
    if bias and (bias != "corrected" or step.name != "int8-static"):
        return f"biases are `corrected` by int8 static alone, not `{bias}` by {step.name}"
    if bias and runtime == "openvino":
        return "NNCF corrects biases in every calibration already"
    if isinstance(strength, str) or not 0 <= strength <= 1:
        return f"`equalise` is a strength from 0 to 1, not {strength}"
    return None

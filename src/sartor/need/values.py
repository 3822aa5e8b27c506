"""The Need and its parts: frozen, checked when built, saved to plain values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from sartor.errors import NeedError, nearest
from sartor.need.limit import AGREEMENT, Limit, parse_limit
from sartor.units import parse

Task = Literal[
    "image-classification",
    "text-classification",
    "tabular-classification",
    "tabular-regression",
    "audio-classification",
    "feature-extraction",
]


def _quantity(unit: str, example: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if value is None:
            return None
        quantity = parse(value)
        if quantity.unit not in (unit, "") or quantity.value <= 0:
            raise ValueError(f"`{value}` is not {example}")
        return quantity.value

    return BeforeValidator(read)


_NUMBER_OR_TEXT = WithJsonSchema({"type": ["number", "string"]})
Seconds = Annotated[float, _quantity("s", "a time such as `5 min`"), _NUMBER_OR_TEXT]
Bytes = Annotated[float, _quantity("B", "a size such as `8 GB`"), _NUMBER_OR_TEXT]
_one_or_many = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
_mapping_of_source = BeforeValidator(lambda value: {"source": value} if isinstance(value, str) else value)


def _named_columns(value: Any) -> Any:
    names = [*value, *value.values()] if isinstance(value, dict) else value
    if value is None or isinstance(value, str):
        return value
    if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
        return value
    raise ValueError("a column, a list of columns, or a mapping such as `{user: userId, item: movieId}`")


_columns = BeforeValidator(_named_columns)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSpec(_Part):
    """Where the rows come from: a built-in name, a file, a folder, or `package.module:function`."""

    source: str = Field(description="digits, breast-cancer, a file, a folder, or package.module:function")
    calibrate: str | None = Field(None, description="file with the rows for calibration")
    select: str | None = Field(None, description="file with the rows that the search may look at")
    confirm: str | None = Field(None, description="file with the rows kept for the proof")
    input: Annotated[str | tuple[str, ...] | dict[str, str] | None, _columns] = Field(
        None, description="column or array of the inputs, a list of them, or a mapping of model inputs to them"
    )
    label: str | None = Field(None, description="column or array of the labels")
    group: str | None = Field(None, description="column or array whose rows stay in one split")
    labels: tuple[str, ...] = Field((), description="class names in the order of the model's outputs")


class TrainSpec(_Part):
    """Training settings; whatever is left out is chosen from the model and the data."""

    epochs: int | None = Field(None, ge=1)
    time: Seconds | None = Field(None, description="time limit of one training, such as `2 min`")
    learning_rate: float | None = Field(None, gt=0)
    batch: int | None = Field(None, ge=1)


class Workload(_Part):
    """How the model will be called."""

    batch: int = Field(1, ge=1, le=4096, description="rows in one call")


class Budget(_Part):
    """What the search itself may use. It is not part of the Need's identity: a larger one resumes."""

    time: Seconds = Field(600.0, description="wall-clock time, such as `5 min`")
    memory: Bytes | None = Field(None, description="peak of all processes; default: 80% of the machine")


class Need(_Part):
    """What is asked. Built from keywords or read with `read_need`.

    Raises:
        NeedError: unknown key, wrong type, contradictory or unknown limits.

    >>> need = Need(task="image-classification", model=["zoo:cnn"], data="digits",
    ...             require={"accuracy": ">= 0.95", "latency_p99": "<= 2 ms"})
    >>> [str(limit) for limit in need.limits]
    ['accuracy >= 0.95', 'latency_p99 <= 2 ms']
    """

    task: Task
    model: Annotated[tuple[str, ...], _one_or_many] = Field(
        min_length=1,
        description="zoo:NAME, a Hugging Face folder, .onnx, .pt2, .keras, sklearn:Estimator, package.module:function",
    )
    data: Annotated[DataSpec, _mapping_of_source]
    preprocess: tuple[dict[str, Any], ...] | None = Field(
        None, description="declared steps, in order; default: what the model's folder declares, else arrays as they are"
    )
    output: str | None = Field(None, description="name of the output that is judged; default: the first that fits")
    train: Literal["auto", "recover"] | bool | TrainSpec = Field(
        "auto",
        description="auto: zoo models, and heads that do not fit the labels; recover: models as they are, and only "
        "what a compression took from them is learnt back",
    )
    require: dict[str, str | float] = Field(
        default_factory=dict, description="limits; empty: the fastest without measurable loss"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="one-sided, per limit")
    minimise: Literal["latency", "throughput", "size", "memory"] = Field(
        "latency", description="latency is its median; throughput is made as large as possible"
    )
    workload: Workload = Workload()
    on: Literal["this-machine"] = "this-machine"
    budget: Budget = Budget()
    seed: int = Field(0, ge=0, lt=2**31)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise as_need_error(error) from None

    @model_validator(mode="after")
    def _limits_hold_together(self) -> Need:
        names = [limit.metric for limit in self.limits if limit.is_quality]
        if len(set(names)) > 1:
            raise NeedError(
                f"quality limits on several metrics: {', '.join(sorted(set(names)))}",
                "one metric, as a floor, a drop or both",
                "keep the metric that matters; the report shows it for every candidate",
                ("require",),
            )
        return self

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The entries of `require`, parsed, in their order."""
        return tuple(parse_limit(name, text, self.task) for name, text in self.require.items())

    @property
    def kind(self) -> Literal["classification", "regression"]:
        """Whether outputs are scores of classes or numbers."""
        return "classification" if self.task.endswith("classification") else "regression"

    @property
    def labelled(self) -> bool:
        """Whether labels are needed: agreement with the uncompressed model needs none."""
        return self.metric != AGREEMENT

    @property
    def metric(self) -> str:
        """The metric that quality is judged by; without a quality limit, the task's usual one."""
        usual = {"classification": "accuracy", "regression": "rmse"}[self.kind]
        if self.task == "feature-extraction":
            usual = AGREEMENT
        return next((limit.metric for limit in self.limits if limit.is_quality), usual)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they would stand in YAML."""
        return self.model_dump(mode="json", exclude_none=True)

    def identity(self) -> str:
        """Hash of everything but the budget: two Needs with one identity share their trials."""
        kept = {key: value for key, value in self.as_dict().items() if key != "budget"}
        canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    def write(self, path: Path) -> None:
        """Write YAML that `read_need` reads back."""
        import yaml

        path.write_text(yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True), encoding="utf-8")


def _allowed_keys(location: tuple[str | int, ...]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {
        "data": DataSpec,
        "train": TrainSpec,
        "workload": Workload,
        "budget": Budget,
    }
    owner = parts.get(str(location[0]), Need) if len(location) > 1 else Need
    return list(owner.model_fields)


def as_need_error(error: ValidationError) -> NeedError:
    """The first problem of a pydantic report as one clear NeedError with its location."""
    first = _deepest(error)
    location = _location(first["loc"])
    name = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        allowed = _allowed_keys(location)
        hint = nearest(str(location[-1]), allowed)
        return NeedError(f"unknown key `{name}`", ", ".join(allowed), hint, location)
    if first["type"] == "missing":
        return NeedError(f"key `{name}` is missing", f"a value for `{name}`", "see `sartor schema`", location)
    came = f"`{name}:`, with nothing behind it" if first["input"] is None else f"`{name}: {first['input']}`"
    if location[0] == "require":
        return NeedError(came, *_A_LIMIT, location)
    if location == ("train",):
        mapping = f"a mapping of {', '.join(TrainSpec.model_fields)}"
        return NeedError(came, f"auto, recover, true, false, or {mapping}", "", location)
    if first["type"] == "literal_error":
        options = str(first.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ")
        return NeedError(came, options, nearest(str(first["input"]), options.split(", ")), location)
    if location[0] == "preprocess":
        return NeedError(came, *_STEPS, location)
    if first["type"] == "model_type":
        return NeedError(came, "a mapping of " + ", ".join(_allowed_keys((*location, ""))), "", location)
    message = _IN_OUR_WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    return NeedError(came, message, "", location)


_A_LIMIT = (
    'limits, each an operator and a number in quotes, such as `accuracy: ">= 0.95"`',
    "`require: {}` asks for the fastest without measurable loss",
)
_STEPS = ("a list of steps with their settings", "such as `preprocess: [{resize: [224, 224]}]`")
_IN_OUR_WORDS = {"string_type": "text", "tuple_type": "a list", "too_short": "a list of at least one"}
_UNION_BRANCHES = ("TrainSpec", "literal['auto','recover']", "bool")


def _location(parts: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The path of keys in the file: pydantic adds the branch of a union that it tried."""
    if parts[0] == "require":
        return parts[:2]
    return tuple(part for part in parts if parts[0] != "train" or part not in _UNION_BRANCHES)


def _deepest(error: ValidationError) -> Any:
    # A union reports every branch; the branch that got deepest is the one the user meant.
    problems = error.errors()
    unknown = next((item for item in problems if item["type"] == "extra_forbidden"), None)
    return unknown or max(problems, key=lambda item: len(item["loc"]))

"""Reading a Need from YAML, with the line of every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sartor.errors import NeedError
from sartor.need.limit import PERFORMANCE_LIMITS, QUALITY_METRICS
from sartor.need.values import Need


def read_need(path: Path) -> Need:
    """Read a Need from a YAML file.

    Raises:
        NeedError: the file is missing, is no YAML, repeats a key, or does not describe a Need.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NeedError(f"no file `{path}`", "a YAML file that describes a Need", "see `sartor schema`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise NeedError(f"cannot read `{path}`: {error}", "a readable UTF-8 file") from None
    return parse_need(text, path.name)


def parse_need(text: str, name: str = "need") -> Need:
    """Read a Need from YAML text; `name` stands before the line in errors."""
    root, values = _load(text, name)

    try:
        return Need(**values)
    except NeedError as error:
        # A limit is parsed by us, so its location is the entry that the message quotes.
        quoted = next((key for key in values.get("require") or {} if f"`{key}" in error.came), None)
        location = error.location or (("require", quoted) if quoted else ())
        came = f"{name}:{_line(root, location)}: {error.came}"
        raise type(error)(came, error.allowed, error.hint, location) from None


def _load(text: str, name: str) -> tuple[yaml.MappingNode, dict[str, Any]]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise NeedError(f"{name}:{line}: {error.problem}", "valid YAML") from None
    if not isinstance(root, yaml.MappingNode):
        raise NeedError(f"{name}:1: no keys", "a mapping with `task`, `model` and `data`", "see `sartor schema`")
    _refuse_repeated_keys(root, name)
    return root, values


def _refuse_repeated_keys(node: yaml.Node, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise NeedError(
                    f"{name}:{line}: key `{key.value}` stands twice (first on line {seen[key.value]})",
                    "every key once",
                )
            seen[key.value] = line
            _refuse_repeated_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, name)


def _line(root: yaml.Node, location: tuple[str | int, ...]) -> int:
    node, line = root, root.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return int(line)


def need_schema() -> dict[str, Any]:
    """JSON Schema of a Need, for editors; `require` lists the known limits with examples."""
    schema = Need.model_json_schema()
    limits: dict[str, Any] = {}
    for metric, (op, _) in QUALITY_METRICS.items():
        limits[metric] = {"type": "string", "examples": [f"{op} 0.95"]}
        limits[f"{metric}_drop"] = {"type": "string", "examples": ["<= 1 pt", "<= 1%"]}
    for limit, (_, _, example) in PERFORMANCE_LIMITS.items():
        limits[limit] = {"type": "string", "examples": [example]}
    schema["properties"]["require"] = {
        "type": "object",
        "description": "limits; empty: the fastest without measurable loss",
        "properties": limits,
        "patternProperties": {r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$": {"type": "string"}},
        "additionalProperties": False,
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema

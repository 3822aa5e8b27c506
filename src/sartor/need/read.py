"""Reading a Need from YAML, with the line of every mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from sartor.errors import NeedError
from sartor.need.limit import DROPS, PERFORMANCE_LIMITS, QUALITY_METRICS
from sartor.need.values import Need

_LARGEST = 1 << 20  # characters; a Need has some hundreds
_READ_ANEW = ("bool", "int", "float", "timestamp")  # kinds of plain words that YAML 1.1 reads more widely than 1.2


class _Loader(yaml.SafeLoader):
    """What YAML 1.1 and 1.2 agree on: `on` is a key and `no` a class name, 5:30 and dates are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - a class attribute of PyYAML
        first: [(tag, form) for tag, form in forms if tag.rpartition(":")[2] not in _READ_ANEW]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _tag, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), list(_first))


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
        limits = values.get("require") or {}
        quoted = next((key for key in limits if f"`{key}`" in error.came or f"`{key}:" in error.came), None)
        location = error.location or (("require", quoted) if quoted else ())
        came = f"{name}:{_line(root, location)}: {error.came}"
        raise type(error)(came, error.allowed, error.hint, location) from None


def _load(text: str, name: str) -> tuple[yaml.MappingNode, dict[str, Any]]:
    if len(text) > _LARGEST:
        raise NeedError(f"{name}:1: {len(text):,} characters", f"a Need of at most {_LARGEST:,} characters")
    try:
        root = yaml.compose(text, Loader=_Loader)
        if not isinstance(root, yaml.MappingNode):
            raise NeedError(f"{name}:1: no keys", "a mapping with `task`, `model` and `data`", "see `sartor schema`")
        _check_keys(root, name)
        return root, yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise NeedError(f"{name}:{line}: {error.problem}", "valid YAML") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        came = f"{name}:{line}: the character U+{error.character:04X}"
        raise NeedError(came, "text without control characters") from None
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise NeedError(f"{name}:1: {what}", "valid YAML") from None


def _check_keys(node: yaml.Node, name: str, above: tuple[yaml.Node, ...] = ()) -> None:
    """Every key is text and stands once in its mapping; no alias stands inside of what it names."""
    if node in above:
        raise NeedError(f"{name}:{node.start_mark.line + 1}: an alias that contains itself", "values that end")
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            _check_key(key, seen, name)
            _check_keys(value, name, (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, name, (*above, node))


def _check_key(key: yaml.Node, seen: dict[str, int], name: str) -> None:
    line = key.start_mark.line + 1
    if not isinstance(key, yaml.ScalarNode) or key.tag.rpartition(":")[2] not in ("str", "merge"):
        shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
        raise NeedError(f"{name}:{line}: `{shown}` as a key", "keys that are words", "put it in quotes")
    if key.value in seen:
        raise NeedError(
            f"{name}:{line}: key `{key.value}` stands twice (first on line {seen[key.value]})", "every key once"
        )
    seen[key.value] = line


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
    for key in ("model", "data"):  # one model, or a source without settings, may stand as plain text
        full = schema["properties"][key]
        described = {"description": full.pop("description")} if "description" in full else {}
        schema["properties"][key] = {"anyOf": [{"type": "string"}, full], **described}
    limits: dict[str, Any] = {}
    for metric, (op, _) in QUALITY_METRICS.items():
        limits[metric] = {"type": "string", "examples": [f"{op} 0.95"]}
    for metric in DROPS:
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

"""As much of JSON Schema as the schema of a Need uses, so that no validator has to be installed."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    *("$defs", "$ref", "$schema", "additionalProperties", "anyOf", "const", "default", "description", "enum"),
    *("examples", "exclusiveMaximum", "exclusiveMinimum", "items", "maximum", "minItems", "minimum"),
    *("patternProperties", "properties", "required", "title", "type"),
}


def complaints(schema: dict[str, Any], value: Any, root: dict[str, Any], path: str = "need") -> list[str]:
    """Why a value does not match; empty when it does.

    Raises:
        AssertionError: the schema uses a word that is not checked here.
    """
    assert set(schema) <= _KNOWN, set(schema) - _KNOWN
    if "$ref" in schema:
        return complaints(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root, path)
    if "anyOf" in schema:
        found = [complaints(branch, value, root, path) for branch in schema["anyOf"]]
        return [] if not all(found) else min(found, key=len)
    wrong = _plain(schema, value, path)
    if isinstance(value, dict):
        wrong += _object(schema, value, root, path)
    if isinstance(value, (list, tuple)) and "items" in schema:
        wrong += [w for n, item in enumerate(value) for w in complaints(schema["items"], item, root, f"{path}[{n}]")]
    return wrong


def _plain(schema: dict[str, Any], value: Any, path: str) -> list[str]:
    kinds = schema.get("type", list(_TYPES))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = any(isinstance(value, _TYPES[kind]) and (kind == "boolean" or value is not bool(value)) for kind in kinds)
    checks = {
        f"is none of {kinds}": fits,
        "is another value": "const" not in schema or value == schema["const"],
        "is not listed": "enum" not in schema or value in schema["enum"],
    }
    if isinstance(value, (int, float)):
        checks["is too small"] = value >= schema.get("minimum", value) and value > schema.get(
            "exclusiveMinimum", value - 1
        )
        checks["is too large"] = value <= schema.get("maximum", value) and value < schema.get(
            "exclusiveMaximum", value + 1
        )
    if isinstance(value, (list, tuple)):
        checks["has too few items"] = len(value) >= schema.get("minItems", 0)
    return [f"{path} {what}" for what, holds in checks.items() if not holds]


def _object(schema: dict[str, Any], value: dict[str, Any], root: dict[str, Any], path: str) -> list[str]:
    wrong = [f"{path} lacks {key}" for key in schema.get("required", ()) if key not in value]
    for key, item in value.items():
        patterns = [found for form, found in schema.get("patternProperties", {}).items() if re.search(form, key)]
        found = schema.get("properties", {}).get(key) or (patterns[0] if patterns else None)
        if found is not None:
            wrong += complaints(found, item, root, f"{path}.{key}")
        elif schema.get("additionalProperties", True) is False:
            wrong.append(f"{path}.{key} is unknown")
    return wrong

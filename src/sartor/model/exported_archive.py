"""Is it safe to give a `.pt2` file to torch?

A `.pt2` file is a zip archive. torch unpickles some of what such a file may hold, evaluates its expressions of
sizes, and calls whatever function of torch a node names: to load one from a stranger could run any code. So the
archive is read by hand first, and one that holds anything but plain tensors, operators of torch and arithmetic
on sizes is refused before torch sees it.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sartor.errors import ModelError

ALLOWED = "a file that torch.export.save wrote, with plain tensors and operators of torch only"
AGAIN = "save it again with torch.export.save of torch 2.9 or later"
_PROGRAM = "models/model.json"
_SAMPLES = "data/sample_inputs/model.pt"
_OPERATOR = re.compile(r"torch\.ops\.[a-z_]\w*\.\w+(\.\w+)?|_operator\.[a-z]\w*|math\.[a-z]\w*|torch\.sym_\w+")


def checked_program(path: Path) -> dict[str, Any]:
    """The program's JSON of an archive that torch can load without running any code of it. Needs no torch.

    Raises:
        ModelError: no such archive, or one that could run code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            _refuse_code(path, archive, members)
            content = json.loads(archive.read(members[_PROGRAM]))
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise ModelError(f"{path} is truncated or no .pt2 file: {error}", ALLOWED, AGAIN) from None
    _check_nodes(path, content)
    return dict(content)


def input_names(path: Path, program: dict[str, Any]) -> tuple[str, ...]:
    """The inputs of a program in order, from its JSON.

    Raises:
        ModelError: an input that is no tensor, or JSON of another form.
    """
    try:
        specs = program["graph_module"]["signature"]["input_specs"]
        arguments = [spec["user_input"]["arg"] for spec in specs if "user_input" in spec]
        return tuple(str(argument["as_tensor"]["name"]) for argument in arguments)
    except (KeyError, TypeError) as error:
        raise ModelError(f"{path} has an input that is no tensor ({error})", "inputs that are tensors", AGAIN) from None


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, str]:
    """Name within the archive's one folder -> full name. Two of a name could show us one and torch the other."""
    names = archive.namelist()
    members = {name.partition("/")[2]: name for name in names}
    one_folder = len({name.partition("/")[0] for name in names}) == 1 and "" not in members
    if _PROGRAM not in members or not one_folder or len(members) < len(names):
        raise ModelError(f"{path} holds no single program called `model`", ALLOWED, AGAIN)
    return members


def _refuse_code(path: Path, archive: zipfile.ZipFile, members: dict[str, str]) -> None:
    parts = [name for name in members if name.startswith(("data/aotinductor/", "executorch/"))]
    parts += [name for name in members if name.startswith("models/") and name != _PROGRAM]
    parts += [name for name in members if re.match(r"data/(weights|constants)/.*\.pt$", name)]
    parts += [name for name in members if re.match(r"data/constants/(custom_obj|opaque_obj)", name)]
    for name in members:
        if re.match(r"data/(weights|constants)/.*_config\.json$", name):
            entries = json.loads(archive.read(members[name]))["config"]
            parts += [f"{entry} (pickled)" for entry, how in entries.items() if how["use_pickle"]]
    if parts:
        raise ModelError(f"{path} holds {parts[0]}, which could run any code when it is loaded", ALLOWED, AGAIN)


def _check_nodes(path: Path, content: Any) -> None:
    for key, text in _strings(content):
        if key == "target" and not _OPERATOR.fullmatch(text):
            raise ModelError(f"{path} calls `{text}`, which is no operator of torch", ALLOWED)
        if key == "expr_str" and not _is_arithmetic(text):
            raise ModelError(f"{path} has a size `{text}` that is no arithmetic", ALLOWED)


def _strings(content: Any) -> Iterator[tuple[str, str]]:
    """(key, value) of the targets of nodes and of the expressions, wherever they stand."""
    if isinstance(content, list):
        for item in content:
            yield from _strings(item)
    elif isinstance(content, dict):
        is_node = "inputs" in content and "outputs" in content
        for key, value in content.items():
            if isinstance(value, str) and (key == "expr_str" or (key == "target" and is_node)):
                yield key, value
            else:
                yield from _strings(value)


def _is_arithmetic(text: str) -> bool:
    """Whether an expression only computes: `2*s0 + Max(1, s1)`, `Symbol('s0', positive=True)`."""
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError):
        return False
    plain = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.keyword, ast.Name)
    signs = (ast.Constant, ast.Load, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
    if not all(isinstance(node, plain + signs) for node in nodes):
        return False
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    words = [str(node.value) for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    # Functions of sizes are classes, with a capital letter; text is only ever the name of a symbol.
    return all(isinstance(name, ast.Name) and name.id[:1].isupper() for name in called) and all(
        re.fullmatch(r"[a-z]\w*", word) for word in words
    )


def check_samples(path: Path) -> None:
    """Sample inputs that are more than tensors make torch fall back to unpickling anything.

    Raises:
        ModelError: they are more.
    """
    import torch

    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.partition("/")[2] == _SAMPLES), None)
        content = archive.read(name) if name else b""
    try:
        if content:
            torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001 - whatever the unpickler that only takes tensors raises
        raise ModelError(f"{path} has pickled objects among its sample inputs", ALLOWED, AGAIN) from None

"""The catalogue: hardware that need not be here, one TOML file a part, found by the names people use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from sartor.errors import InputError, nearest
from sartor.machine.part import Origin, Part, ScaleUp
from sartor.machine.part_file import read_part

__all__ = ["Origin", "Part", "ScaleUp", "catalogue", "find_part"]

_FOLDER = Path(__file__).parent
_LISTED = "`python -m sartor.machine.catalogue` lists them"


@cache
def catalogue() -> Mapping[str, Part]:
    """Every part of the catalogue by its id, in the order of the ids; read once a process."""
    return MappingProxyType({path.stem: read_part(path) for path in sorted(_FOLDER.glob("*.toml"))})


def find_part(name_or_path: str) -> Part:
    """The part of that name, or the one that a TOML file of the user's own describes.

    Names are ids (`h100-sxm`), aliases and the names that vendors use; case, spaces and dashes do not matter.
    A name that only begins others is refused rather than guessed at.

    Raises:
        InputError: no part has this name, it could mean several, or the file is broken.

    >>> find_part("H100 SXM").peak("bf16")
    Figure(value=989000000000000.0, unit='FLOP/s', low=989000000000000.0, high=989000000000000.0, source='published')
    """
    if name_or_path.lower().endswith(".toml"):
        return read_part(Path(name_or_path))
    found = _ids().get(_squashed(name_or_path))
    if found is None:
        raise _not_found(name_or_path)
    return catalogue()[found]


@cache
def _ids() -> Mapping[str, str]:
    """The id behind every squashed name."""
    parts = catalogue().values()
    return {_squashed(name): part.id for part in parts for name in (part.id, part.name, *part.aliases)}


def _squashed(name: str) -> str:
    """Letters and digits alone, in lower case.

    >>> _squashed("TPU v6e (Trillium)")
    'tpuv6etrillium'
    """
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _not_found(name: str) -> InputError:
    squashed = _squashed(name)
    begun = sorted({id for known, id in _ids().items() if squashed and known.startswith(squashed)})
    if len(begun) > 1:
        return InputError(f"`{name}` could mean {len(begun)} parts", f"one of {', '.join(begun)}", "name one of them")
    close = f"did you mean `{begun[0]}`?" if begun else _nearest(squashed)
    return InputError(
        f"`{name}` is no part of the catalogue",
        f"one of its {len(catalogue())} parts ({_LISTED}), or a path ending in .toml",
        close or "describe it in a TOML file of your own",
    )


def _nearest(squashed: str) -> str:
    """The hint in terms of ids, though aliases and vendors' names are compared too."""
    hint = nearest(squashed, _ids())
    return f"did you mean `{_ids()[hint.split('`')[1]]}`?" if hint else ""

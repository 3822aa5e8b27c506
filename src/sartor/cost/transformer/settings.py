"""The keys of a config.json under one name each, with the defaults of transformers for those left out."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from sartor.errors import ModelError

# True, False, or the key that says it.
Flag: TypeAlias = bool | str

# The same size under the names that families gave it.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "hidden_size": ("n_embd", "d_model", "dim", "n_embed"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_kv_heads",),
    "intermediate_size": ("n_inner", "hidden_dim", "d_ff", "ffn_dim", "ffn_hidden_size"),
    "head_dim": ("d_kv",),
    "max_position_embeddings": ("n_positions",),
    "num_experts": ("num_local_experts", "n_routed_experts"),
}


@dataclass(frozen=True)
class Settings:
    """A config with its defaults.

    Attributes:
        given: what the config says; a key that is null there is null here, whatever the default.
        names: names that go before the usual ones, such as `encoder_layers` for `num_hidden_layers`.
    """

    model_type: str
    given: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def named(self, names: Mapping[str, str]) -> Settings:
        """The same config read under other names."""
        return replace(self, names={**self.names, **names})

    def optional(self, key: str) -> Any:
        """What the config, else the default says; None where neither does."""
        places = (self.given, self.defaults)
        own = [(place, self.names[key]) for place in places] if key in self.names else []
        usual = [(place, name) for place in places for name in (key, *_NAMES.get(key, ()))]
        return next((place[name] for place, name in [*own, *usual] if name in place), None)

    def number(self, key: str, otherwise: int | None = None, least: int = 1) -> int:
        """A size.

        Args:
            otherwise: what a key that is missing or null means.

        Raises:
            ModelError: missing without `otherwise`, or no whole number of at least `least`.
        """
        value = self.optional(key)
        value = otherwise if value is None else value
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        name = self.names.get(key, key)
        came = f"has no `{name}`" if value is None else f"has `{name}: {value!r}`"
        raise ModelError(
            f"the config of a {self.model_type} model {came}", f"`{name}`, a whole number of at least {least}"
        )

    def truth(self, flag: Flag) -> bool:
        """A flag, or the key of one; a key that is missing or null is False."""
        return flag if isinstance(flag, bool) else bool(self.optional(flag))

    def refuse(self, what: str, allowed: str, hint: str = "") -> ModelError:
        """The error for something in the config that is not counted."""
        return ModelError(f"the config of a {self.model_type} model {what}", allowed, hint)


@cache
def defaults() -> Mapping[str, Mapping[str, Any]]:
    """Defaults by model type, from the file beside this one."""
    return tomllib.loads((Path(__file__).parent / "defaults.toml").read_text(encoding="utf-8"))

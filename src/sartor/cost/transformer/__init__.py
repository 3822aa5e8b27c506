"""What a language model costs, from its `config.json` alone and without its weights."""

from sartor.cost.transformer.config import read_transformer
from sartor.cost.transformer.counting import active_parameters, kv_bytes, kv_bytes_per_token, parameters
from sartor.cost.transformer.steps import decode_cost, expected_experts, prefill_cost
from sartor.cost.transformer.values import Transformer

__all__ = [
    "Transformer",
    "active_parameters",
    "decode_cost",
    "expected_experts",
    "kv_bytes",
    "kv_bytes_per_token",
    "parameters",
    "prefill_cost",
    "read_transformer",
]

"""Language models counted from their configs, against published counts and against transformers itself."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.cost.transformer import (
    active_parameters,
    decode_cost,
    expected_experts,
    kv_bytes,
    kv_bytes_per_token,
    parameters,
    prefill_cost,
    read_transformer,
)
from sartor.cost.transformer.settings import defaults
from sartor.cost.transformer.steps import seen_pairs
from sartor.cost.transformer.types import TYPES
from sartor.errors import InputError, ModelError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "language_models.json").read_text(encoding="utf-8"))
CONFIGS = {row["model"]: row["config"] for row in GOLDEN["models"]}
TABLE = Path(__file__).parents[3] / "shared" / "reference" / "hardware" / "models_params_kv.csv"
# What the table leaves out of its own count, by the notes in it: biases and sinks of gpt-oss, biases of Qwen2.5.
LEFT_OUT = {"openai/gpt-oss-20b": 6637824, "openai/gpt-oss-120b": 39820032, "Qwen/Qwen2.5-72B": 819200}

TINY = {
    **{"vocab_size": 160, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2},
}
LATENT = {
    **{"kv_lora_rank": 16, "q_lora_rank": 24, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 12},
    **{"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "n_group": 1, "topk_group": 1},
    **{"first_k_dense_replace": 1, "n_shared_experts": 2, "num_key_value_heads": 4},
}
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 32, "mamba_d_ssm": 128, "mamba_d_state": 8}
LINEAR = {
    **{"linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 4},
    **{"num_experts": 6, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 40},
}
BART = {
    **{"vocab_size": 160, "d_model": 64, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 80},
    **{"decoder_ffn_dim": 96, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "pad_token_id": 0},
    **{"decoder_start_token_id": 1, "bos_token_id": 0, "eos_token_id": 0, "max_position_embeddings": 48},
    "forced_eos_token_id": 0,
}
ENCODER = {**TINY, "max_position_embeddings": 48, "pad_token_id": 1}
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "llama, all biases, tied": (
        "llama",
        {**TINY, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    ),
    "qwen2": ("qwen2", TINY),
    "qwen3_moe": (
        "qwen3_moe",
        {**TINY, "num_experts": 6, "moe_intermediate_size": 24, "mlp_only_layers": [0], "num_experts_per_tok": 2},
    ),
    "qwen3_next": ("qwen3_next", {**TINY, **LINEAR, "num_hidden_layers": 4}),
    "gemma3_text": ("gemma3_text", {**TINY, "head_dim": 16, "num_hidden_layers": 6}),
    "gpt_oss": ("gpt_oss", {**TINY, "num_local_experts": 6}),
    "deepseek_v3": ("deepseek_v3", {**TINY, **LATENT}),
    "falcon_h1": ("falcon_h1", {**TINY, **MAMBA}),
    "jamba": ("jamba", {**TINY, "num_experts": 4, "attn_layer_period": 2, "attn_layer_offset": 1}),
    "opt": ("opt", {**TINY, "ffn_dim": 96, "word_embed_proj_dim": 32, "max_position_embeddings": 48}),
    "falcon": ("falcon", {"vocab_size": 160, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}),
    "bert": ("bert", ENCODER),
    "roberta": ("roberta", ENCODER),
    "modernbert": ("modernbert", ENCODER),
    "t5": ("t5", {"vocab_size": 160, "d_model": 64, "d_ff": 96, "num_layers": 2, "num_heads": 4, "d_kv": 16}),
    "bart": ("bart", BART),
    "marian": ("marian", {**BART, "decoder_vocab_size": 160}),
}


@pytest.mark.parametrize("row", GOLDEN["models"], ids=lambda row: row["model"])
def test_published_models_are_counted_exactly(row: dict[str, Any]) -> None:
    model = read_transformer(row["config"])
    counted = {
        "parameters": parameters(model),
        "active": active_parameters(model),
        "kv_bytes_per_token": kv_bytes_per_token(model),
    }
    assert counted == {key: row[key] for key in counted}
    assert row["published"] in (None, counted["parameters"])


@pytest.mark.parametrize(("name", "billions"), [("openai/gpt-oss-20b", 3.61), ("openai/gpt-oss-120b", 5.13)])
def test_active_parameters_of_gpt_oss_are_those_of_its_card(name: str, billions: float) -> None:
    """arXiv:2508.10925, table 1, which leaves the table of embeddings out."""
    model = read_transformer(CONFIGS[name])
    table = model.stack.around.table
    assert (active_parameters(model) - table) / 1e9 == pytest.approx(billions, abs=0.005)


@pytest.mark.skipif(not TABLE.is_file(), reason="the reference table is not part of the repository")
def test_the_reference_table_is_reproduced() -> None:
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == set(CONFIGS)
    for row in rows:
        model = read_transformer(CONFIGS[row["model"]])
        assert parameters(model) == int(row["computed_params"]) + LEFT_OUT.get(row["model"], 0)
        assert kv_bytes_per_token(model) == int(row["kv_bytes_per_token_bf16"])
        if row["published_params"].isdigit():
            assert parameters(model) == int(row["published_params"])


def _real(kind: str, sizes: dict[str, Any], head: str) -> Any:
    import torch
    import transformers

    made = transformers.CONFIG_MAPPING[kind](**sizes)
    with torch.device("meta"):
        return getattr(transformers, f"AutoModel{head}").from_config(made)


@pytest.mark.parametrize("name", SMALL)
def test_parameters_are_those_of_transformers(name: str) -> None:
    """The correction of DeepSeek's router is stored with the weights, though transformers calls it a buffer."""
    kind, sizes = SMALL[name]
    ending = {"Model": "", "ForConditionalGeneration": "ForSeq2SeqLM"}.get(TYPES[kind].plain, "ForCausalLM")
    real = _real(kind, sizes, ending)
    corrections = [value for label, value in real.named_buffers() if label.endswith("e_score_correction_bias")]
    stored = sum(value.numel() for value in [*real.parameters(), *corrections])
    assert parameters(read_transformer({"model_type": kind, **sizes})) == stored
    saved = {**real.config.to_dict(), "architectures": None}
    assert parameters(read_transformer(saved)) == stored


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra", "modernbert"])
@pytest.mark.parametrize("head", ["ForMaskedLM", "ForSequenceClassification", "ForTokenClassification"])
def test_heads_of_encoders_are_those_of_transformers(kind: str, head: str) -> None:
    sizes = {**TINY, "embedding_size": 32, "max_position_embeddings": 48, "num_labels": 3, "pad_token_id": 1}
    sizes |= {"dim": 64, "hidden_dim": 96, "n_layers": 2, "n_heads": 4} if kind == "distilbert" else {}
    stored = sum(value.numel() for value in _real(kind, sizes, head).parameters())
    assert parameters(read_transformer({"model_type": kind, "architectures": [f"X{head}"], **sizes})) == stored


def test_defaults_are_those_of_transformers() -> None:
    """A config.json may leave out what equals the defaults of its class."""
    from transformers import CONFIG_MAPPING

    for kind, values in defaults().items():
        fields = {entry.name: entry for entry in dataclasses.fields(CONFIG_MAPPING[kind])}
        known = {key: fields[key].default for key in values if key in fields}
        listed = {key: fields[key].default_factory for key in values if key in fields}
        for key, value in known.items():
            factory = listed[key]
            made = factory() if value is dataclasses.MISSING and callable(factory) else value
            assert values[key] == made, f"{kind}.{key}"
    assert set(defaults()) == set(TYPES) - {"kimi_k2"}


def _matrix_flop(kind: str, sizes: dict[str, Any], length: int) -> int:
    """What torch counts in one forward pass, matrix products only; masked pairs are computed and counted."""
    import torch
    import transformers
    from torch.utils.flop_counter import FlopCounterMode

    made = transformers.CONFIG_MAPPING[kind](**sizes, attn_implementation="eager")
    auto = transformers.AutoModel if TYPES[kind].plain == "Model" else transformers.AutoModelForCausalLM
    network = auto.from_config(made).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.ones(1, length, dtype=torch.long))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", ["llama, all biases, tied", "qwen2", "bert", "gemma3_text"])
def test_flop_of_a_prefill_are_those_that_torch_counts(name: str) -> None:
    """Both sides count matrix products; torch runs the square of all pairs, we count those inside the mask."""
    kind, sizes = SMALL[name]
    length = 24
    model = read_transformer({"model_type": kind, **sizes})
    ours = prefill_cost(model, 1, length, logits="all" if model.generates else None).total_flop
    hidden = sum(
        2 * mixer.pair_width * (length**2 - seen_pairs(length, mixer.window, mixer.causal))
        for mixer in model.attentions
    )
    assert ours + hidden == pytest.approx(_matrix_flop(kind, sizes, length), rel=0.01)


@pytest.mark.parametrize("name", [name for name in CONFIGS if "DeepSeek" not in name and "Kimi" not in name])
def test_a_prefill_takes_the_arithmetic_of_its_steps(name: str) -> None:
    """Without latent attention, whose steps work on the compressed cache."""
    model = read_transformer(CONFIGS[name])
    steps = sum(decode_cost(model, 1, context).total_flop for context in range(6))
    assert prefill_cost(model, 1, 6, logits="all").total_flop == steps


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted({*SMALL} - {"bert", "roberta", "modernbert", "t5", "bart", "marian"})),
    st.integers(1, 5),
    st.integers(1, 300),
    st.integers(1, 4),
)
def test_costs_never_fall_with_layers_length_or_batch(name: str, batch: int, length: int, more: int) -> None:
    kind, sizes = SMALL[name]
    config = {"model_type": kind, **sizes}
    model = read_transformer(config)
    deeper = read_transformer({**config, "num_hidden_layers": sizes["num_hidden_layers"] + more, "layer_types": None})
    assert parameters(deeper) > parameters(model) >= active_parameters(model)
    for one, other in [
        (prefill_cost(model, batch, length), prefill_cost(model, batch + more, length)),
        (prefill_cost(model, batch, length), prefill_cost(model, batch, length + more)),
        (prefill_cost(model, batch, length), prefill_cost(deeper, batch, length)),
        (decode_cost(model, batch, length), decode_cost(model, batch + more, length)),
        (decode_cost(model, batch, length), decode_cost(model, batch, length + more)),
        (decode_cost(model, batch, length), decode_cost(deeper, batch, length)),
    ]:
        assert one.total_flop <= other.total_flop
        assert one.moved_bytes <= other.moved_bytes
    assert kv_bytes(model, length, batch) <= kv_bytes(model, length + more, batch)
    assert kv_bytes(model, length, batch) * 2 == kv_bytes(model, length, batch * 2)


@given(st.integers(1, 40), st.one_of(st.none(), st.integers(1, 50)), st.booleans())
def test_pairs_are_those_of_the_mask(length: int, window: int | None, causal: bool) -> None:
    reach = length if window is None else window if causal else (window - 1) // 2 + 1
    mask = [
        abs(query - key) < reach and (key <= query or not causal) for query in range(length) for key in range(length)
    ]
    assert seen_pairs(length, window, causal) == sum(mask)


def test_windows_stop_growing_and_states_never_grow() -> None:
    oss = read_transformer(CONFIGS["openai/gpt-oss-20b"])
    assert kv_bytes(oss, 128) == 128 * kv_bytes_per_token(oss)
    assert kv_bytes(oss, 10128) - kv_bytes(oss, 128) == 10000 * kv_bytes_per_token(oss) // 2
    mamba = read_transformer({"model_type": "mamba"})
    assert kv_bytes_per_token(mamba) == 0 < kv_bytes(mamba, 1) == kv_bytes(mamba, 100000)
    mistral = read_transformer(CONFIGS["mistralai/Mistral-7B-v0.1"])
    assert kv_bytes(mistral, 8192) == kv_bytes(mistral, 4096)
    unlimited = read_transformer({**CONFIGS["mistralai/Mistral-7B-v0.1"], "sliding_window": None})
    assert kv_bytes(unlimited, 8192) == 2 * kv_bytes(unlimited, 4096)


def test_a_step_reads_the_weights_once_and_the_experts_it_meets() -> None:
    dense = read_transformer(CONFIGS["meta-llama/Meta-Llama-3.1-8B"])
    rows = 2 * dense.width  # looked up
    step = decode_cost(dense, 1, 0)
    assert step.weight_bytes == 2 * (parameters(dense) - dense.stack.around.table) + rows
    assert step.read_bytes == step.weight_bytes + kv_bytes_per_token(dense)
    mixture = read_transformer(CONFIGS["mistralai/Mixtral-8x7B-v0.1"])
    alone, many = decode_cost(mixture, 1, 0).weight_bytes, decode_cost(mixture, 10000, 0).weight_bytes
    table = mixture.stack.around.table
    assert alone == pytest.approx(2 * (active_parameters(mixture) - table) + rows)
    assert many == pytest.approx(2 * (parameters(mixture) - table) + 10000 * rows)


def test_expected_experts_are_those_of_random_choice() -> None:
    import random

    draw = random.Random(0)
    met = [len({expert for _ in range(12) for expert in draw.sample(range(32), 4)}) for _ in range(4000)]
    assert expected_experts(32, 4, 12) == pytest.approx(sum(met) / len(met), rel=0.01)
    assert expected_experts(32, 4, 1) == pytest.approx(4)


def test_cost_of_an_encoder_decoder_is_in_two_parts() -> None:
    model = read_transformer({"model_type": "t5"})
    read, step = prefill_cost(model, 2, 30), decode_cost(model, 2, 5, source=30)
    assert model.encoder is not None
    assert read.written_bytes == kv_bytes(model, 0, 2, source=30)
    assert step.read_bytes - step.weight_bytes == kv_bytes(model, 6, 2, source=30)
    with pytest.raises(ModelError, match="writes no text"):
        decode_cost(read_transformer({"model_type": "bert"}), 1, 5)


def test_a_folder_a_file_and_a_mapping_say_the_same(tmp_path: Path) -> None:
    config = {"model_type": "qwen2", **TINY}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert read_transformer(tmp_path) == read_transformer(tmp_path / "config.json") == read_transformer(config)


def test_what_is_assumed_is_said() -> None:
    strange = {"model_type": "newcomer", **TINY, "rms_norm_eps": 1e-6}
    model = read_transformer(strange)
    assert parameters(model) == parameters(read_transformer({**strange, "model_type": "llama"}))
    assert "counted as a Llama" in model.notes[0]
    seeing = {"model_type": "seer", "vision_config": {}, "text_config": {"model_type": "llama", **TINY}}
    assert "only `text_config`" in read_transformer(seeing).notes[0]
    assert "MTP" in read_transformer({"model_type": "deepseek_v3", "num_nextn_predict_layers": 1}).notes[0]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "no `model_type`"),
        ({"model_type": "vit", "hidden_size": 64, "image_size": 224}, "no language model"),
        ({"model_type": "mine", "auto_map": {"AutoModel": "mine.Mine"}}, "remote code"),
        ({"model_type": "newcomer", **TINY}, "`rms_norm_eps` is missing"),
        ({"model_type": "newcomer", **TINY, "hidden_size": None}, "`hidden_size` is missing"),
        ({"model_type": "newcomer", **TINY, "rms_norm_eps": 1e-6, "num_experts": 8}, "`num_experts` says"),
        ({"model_type": "llama", **TINY, "hidden_size": "large"}, "hidden_size: 'large'"),
        ({"model_type": "llama", **TINY, "vocab_size": None}, "no `vocab_size`"),
        ({"model_type": "llama", **TINY, "num_hidden_layers": -1}, "num_hidden_layers: -1"),
        ({"model_type": "gemma2", **TINY, "layer_types": ["full_attention"]}, "layer_types"),
        ({"model_type": "gemma2", **TINY, "layer_types": ["chunked_attention"] * 2}, "chunked_attention"),
        ({"model_type": "qwen3_next", **TINY, "layer_types": ["full_attention"]}, "layer_types"),
        ({"model_type": "bert", "is_decoder": True}, "is_decoder"),
        ({"model_type": "marian", "share_encoder_decoder_embeddings": False}, "share_encoder_decoder_embeddings"),
        ({"model_type": "t5", "architectures": ["T5EncoderModel"]}, "T5EncoderModel"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_counted_is_one_clear_error(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        read_transformer(config)
    assert caught.value.exit_code == 2
    assert caught.value.allowed


def test_files_and_counts_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        read_transformer(tmp_path)
    with pytest.raises(ModelError, match="no file"):
        read_transformer(tmp_path / "missing.json")
    model = read_transformer({"model_type": "llama", **TINY})
    with pytest.raises(InputError, match="batch = 0"):
        prefill_cost(model, 0, 5)
    with pytest.raises(InputError, match="length = 0"):
        prefill_cost(model, 1, 0)
    with pytest.raises(InputError, match="no element type 'bf17'"):
        decode_cost(model, 1, 5, dtype="bf17")

"""The pre-processing that a Hugging Face folder declares for sound, as steps of the house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sartor.errors import ModelError
from sartor.model.checkpoint import read_json

CLIP_SECONDS = 10
"""Length that clips are cut to where the folder declares none; `preprocess:` of the Need may say otherwise."""
Steps = tuple[dict[str, Any], ...]
_RATE = 16_000  # Hz; at other rates the libraries that the extractors of features call disagree with one another
_WAVES, _AST, _WHISPER = "Wav2Vec2FeatureExtractor", "ASTFeatureExtractor", "WhisperFeatureExtractor"
_USUAL = {
    "audio-spectrogram-transformer": _AST,
    "whisper": _WHISPER,
    "wav2vec2-bert": "SeamlessM4TFeatureExtractor",
}
_FEATURES = ("Whisper", "SeamlessM4T")  # extractors whose output is called input_features


def audio_steps(folder: Path, config: Mapping[str, Any]) -> tuple[tuple[str, ...], Steps | None]:
    """(inputs, steps) of an audio model; no steps where it takes features that must be given as arrays.

    Raises:
        ModelError: the extractor makes pictures of another size than the model takes.
    """
    settings = read_json(folder / "preprocessor_config.json")
    settings = settings or read_json(folder / "processor_config.json").get("feature_extractor", {})
    kind = str(settings.get("feature_extractor_type") or _USUAL.get(config["model_type"], _WAVES))
    name = "input_features" if any(part in kind for part in _FEATURES) else "input_values"
    declared = _DECLARED.get(kind)
    steps = declared(folder, settings, config) if declared else None
    if steps is None:
        return (name,), None
    return (name,), ({"decode_audio": {"rate": int(settings.get("sampling_rate") or _RATE)}}, *steps)


def _wave_steps(_folder: Path, settings: Mapping[str, Any], _config: Mapping[str, Any]) -> Steps:
    """Samples, levelled: Wav2Vec2FeatureExtractor."""
    rate = int(settings.get("sampling_rate") or _RATE)
    steps: list[dict[str, Any]] = [{"fit_length": {"samples": int(settings.get("max_length") or CLIP_SECONDS * rate)}}]
    if settings.get("do_normalize", True):
        # A processor that makes a mask levels the clip without the silence that fills it up, others with it.
        steps.insert(0 if settings.get("return_attention_mask") else 1, {"normalise_rows": {}})
    return tuple(steps)


def _ast_steps(folder: Path, settings: Mapping[str, Any], config: Mapping[str, Any]) -> Steps | None:
    """Kaldi's energies, (x - mean) / (2 std): ASTFeatureExtractor. Its file holds mean and std of the training data."""
    if not settings or settings.get("sampling_rate", _RATE) != _RATE:
        return None
    bands, frames = int(settings.get("num_mel_bins", 128)), int(settings.get("max_length", 1024))
    taken = int(config.get("num_mel_bins", 128)), int(config.get("max_length", 1024))
    if _patches((bands, frames), config) != _patches(taken, config):
        raise _other_size(folder, (bands, frames), taken, "num_mel_bins and max_length must be those of config.json")
    bank = {"filter_bank": {"rate": _RATE, "window": 400, "hop": 160, "bands": bands, "frames": frames}}
    if not settings.get("do_normalize", True):
        return (bank,)
    # Without the two numbers the extractor takes those of AudioSet.
    mean, std = float(settings.get("mean", -4.2677393)), float(settings.get("std", 4.5689974))
    return bank, {"normalise": {"mean": mean, "std": 2 * std}}


def _whisper_steps(folder: Path, settings: Mapping[str, Any], config: Mapping[str, Any]) -> Steps | None:
    """A picture of a fixed time, (x + 4) / 4: WhisperFeatureExtractor."""
    if not settings or settings.get("sampling_rate", _RATE) != _RATE or settings.get("dither"):
        return None  # dither is noise, new at every call
    bands, hop = int(settings.get("feature_size", 80)), int(settings.get("hop_length", 160))
    samples = int(settings.get("chunk_length", 30)) * _RATE
    # The encoder takes one size only: twice its positions, since its second convolution has a stride of 2.
    taken = int(config.get("num_mel_bins", 80)), 2 * int(config.get("max_source_positions", 1500))
    if (bands, samples // hop) != taken:
        hint = "chunk_length * sampling_rate / hop_length must be twice max_source_positions"
        raise _other_size(folder, (bands, samples // hop), taken, hint)
    picture = {
        "rate": _RATE,
        "window": int(settings.get("n_fft", 400)),
        "hop": hop,
        "bands": bands,
        "scale": "slaney",
        "centred": True,
        "floor": 1e-10,
        "log": "log10",
        "below_peak": 8.0,
    }
    return (
        {"fit_length": {"samples": samples}},
        {"log_mel": picture},
        {"reshape": [bands, samples // hop]},
        {"normalise": {"mean": -4.0, "std": 4.0}},
    )


def _patches(picture: tuple[int, int], config: Mapping[str, Any]) -> tuple[int, int]:
    """How many patches transformers' ASTEmbeddings cuts out of (bands, frames); it has a position for each."""
    given = config.get("patch_size", 16)
    height, width = given if isinstance(given, (list, tuple)) else (given, given)
    strides = int(config.get("frequency_stride", 10)), int(config.get("time_stride", 10))
    return (picture[0] - height) // strides[0] + 1, (picture[1] - width) // strides[1] + 1


def _other_size(folder: Path, made: tuple[int, int], taken: tuple[int, int], hint: str) -> ModelError:
    came, wants = (f"{bands} bands in {frames} frames" for bands, frames in (made, taken))
    return ModelError(
        f"the extractor of {folder} makes {came}, its model takes {wants}",
        "a preprocessor_config.json that belongs to the model",
        hint,
    )


_DECLARED: Mapping[str, Callable[[Path, Mapping[str, Any], Mapping[str, Any]], Steps | None]] = {
    _WAVES: _wave_steps,
    _AST: _ast_steps,
    _WHISPER: _whisper_steps,
}

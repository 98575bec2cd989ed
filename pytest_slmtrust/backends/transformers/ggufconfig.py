"""Fields of a GGUF file that change numbers and that transformers' conversion passes over: carried over, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .files import ModelError

#: The tensor with a factor for each rotary frequency, as Llama 3.1 and later have.
ROPE_FREQS = "rope_freqs.weight"
#: Numbers of Llama 3's scaling that all its releases share (the factor differs), and how near the tensor must be.
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
NEAR = 1e-3
#: Fields that have no place in the models that transformers builds, and the value at which they change nothing.
NEUTRAL = {
    "attention.scale": None, "attention.clamp_kqv": 0.0, "attention.max_alibi_bias": 0.0, "attention.causal": True,
    "logit_scale": 1.0, "residual_scale": 1.0, "embedding_scale": 1.0, "expert_weights_scale": 1.0,
}  # fmt: skip
#: The names of the one small number of a family's norms.
EPSILONS = ("layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon", "rms_norm_eps")
#: Families whose conversion carries the window over; and those that turn a part of each head only.
WINDOWED, PARTIAL = ("gemma2", "gemma3"), ("phi3", "stablelm", "nemotron")


def mend_config(config: dict[str, Any], metadata: Mapping[str, Any], factors: Sequence[float] | None) -> dict[str, Any]:
    """Return the converted config with what the file says and the conversion left out. ``factors``: of the rotary frequencies.

    Raises:
        ModelError: a field that cannot be carried over.
    """
    family = str(metadata.get("general.architecture"))

    def said(name: str) -> Any:
        return metadata.get(f"{family}.{name}")

    epsilon = said("attention.layer_norm_rms_epsilon") or said("attention.layer_norm_epsilon")
    if not epsilon:
        raise ModelError(f"'{family}.attention.layer_norm_rms_epsilon' is missing; the file is damaged, fetch it again")
    for name, neutral in NEUTRAL.items():
        if said(name) not in (None, neutral):
            raise ModelError(f"'{family}.{name}' is {str(said(name))[:20]}, which the conversion cannot carry over")
    made = {**config, **{name: epsilon for name in EPSILONS if name in config}}
    window = said("attention.sliding_window")
    if window and family not in WINDOWED:
        if "sliding_window" not in made:
            raise ModelError(f"'{family}.attention.sliding_window' is {window}, which the conversion cannot carry over")
        made["sliding_window"] = window
    if family == "gemma2":
        caps = {f"{name}_softcapping": said(f"{name}_softcapping") for name in ("attn_logit", "final_logit")}
        made |= {name: value for name, value in caps.items() if value is not None}
    _carry_rotation(made, family, said)
    scaling = _scaling(family, said) or _llama3(factors, _theta(made), said("rope.dimension_count"))
    return _for_both(_with_scaling(made, scaling) if scaling else made)


def sizes_left_out(metadata: Mapping[str, Any]) -> dict[str, int]:
    """Sizes that the conversion takes from its defaults instead of the file, by their names in the config."""
    family = str(metadata.get("general.architecture"))
    names = {"gpt2": ("n_positions", "context_length"), "qwen3": ("head_dim", "attention.key_length")}
    place, field = names.get(family, ("", ""))
    value = metadata.get(f"{family}.{field}")
    return {place: value} if isinstance(value, int) else {}


def _carry_rotation(config: dict[str, Any], family: str, said: Any) -> None:
    base, turned = said("rope.freq_base"), said("rope.dimension_count")
    if base is not None and "rope_parameters" not in config and "rope_theta" in config:
        config["rope_theta"] = base
    heads, width = said("attention.head_count"), said("embedding_length")
    head = said("attention.key_length") or (width // heads if isinstance(heads, int) and heads and width else None)
    if said("attention.value_length") not in (None, head):
        raise ModelError(f"'{family}.attention.value_length' is {said('attention.value_length')}, and keys have {head}")
    if turned is None or head is None or turned == head:
        return
    if family not in PARTIAL:
        raise ModelError(f"'{family}.rope.dimension_count' is {turned} of {head}, which the conversion cannot carry over")
    config["partial_rotary_factor"] = turned / head
    if isinstance(config.get("rope_parameters"), dict):
        config["rope_parameters"] = {**config["rope_parameters"], "partial_rotary_factor": turned / head}


def _scaling(family: str, said: Any) -> dict[str, Any] | None:
    kind, factor = said("rope.scaling.type"), said("rope.scaling.factor") or said("rope.scale_linear")
    if kind in (None, "none") and factor in (None, 1.0):
        return None
    if kind in (None, "linear"):
        return {"rope_type": "linear", "factor": float(factor or 1.0)} if factor not in (None, 1.0) else None
    raise ModelError(f"'{family}.rope.scaling.type' is {str(kind)[:20]!r}, which the conversion cannot carry over")


def _theta(config: Mapping[str, Any]) -> float:
    held = config.get("rope_parameters")
    found = held.get("rope_theta") if isinstance(held, dict) else config.get("rope_theta")
    return float(found or 10000.0)


def _llama3(factors: Sequence[float] | None, theta: float, turned: int | None) -> dict[str, Any] | None:
    """Llama 3's scaling, if the factors are those that it makes."""
    if factors is None or all(abs(f - 1) < NEAR for f in factors):
        return None
    width = turned or 2 * len(factors)
    factor = _stretch(theta ** (2 / width - 1), factors[-1])
    if len(factors) * 2 != width or any(
        abs(f - llama3_factor(theta ** (-2 * i / width), factor)) > NEAR * f for i, f in enumerate(factors)
    ):
        raise ModelError(f"{ROPE_FREQS!r} holds factors that are not those of Llama 3, which the conversion cannot carry over")
    return {"rope_type": "llama3", "factor": factor, **LLAMA3}


def _stretch(frequency: float, divisor: float) -> float:
    """Return the factor with which Llama 3's scaling divides a frequency, the lowest one, by ``divisor``; 1 where there is
    none."""
    smooth = _smooth(frequency)
    rest = 1 / divisor - smooth if divisor > 0 else 0.0
    return round((1 - smooth) / rest, 3) if rest > 0 and smooth < 1 else 1.0


def llama3_factor(frequency: float, factor: float) -> float:
    """By what Llama 3's scaling divides a rotary frequency (radians a token): long waves are stretched."""
    smooth = _smooth(frequency)
    return 1 / ((1 - smooth) / factor + smooth)


def _smooth(frequency: float) -> float:
    """1 for waves that fit into a quarter of the first context, 0 for those that are longer than it."""
    low, high, before = LLAMA3["low_freq_factor"], LLAMA3["high_freq_factor"], LLAMA3["original_max_position_embeddings"]
    wave = 2 * math.pi / frequency
    return min(1.0, max(0.0, (before / wave - low) / (high - low)))


def _with_scaling(config: dict[str, Any], scaling: dict[str, Any]) -> dict[str, Any]:
    """Return the config with a scaling of its rotary frequencies, where transformers 5 and 4 look for it."""
    held = config.get("rope_parameters")
    if not isinstance(held, dict):
        return {**config, "rope_scaling": scaling}
    if isinstance(held.get("full_attention"), dict):  # layers of two kinds: only those that see everything are scaled
        return {**config, "rope_parameters": {**held, "full_attention": {**held["full_attention"], **scaling}}}
    return {**config, "rope_parameters": {**held, **scaling}}


def _for_both(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config with its rotary numbers where transformers 4 looks for them too: the cache folder outlives an
    installation."""
    held = config.get("rope_parameters")
    if not isinstance(held, dict):
        return config
    whole = held["full_attention"] if isinstance(held.get("full_attention"), dict) else held
    near = held.get("sliding_attention")
    out = {**config, "rope_theta": whole["rope_theta"]} if "rope_theta" in whole else dict(config)
    if isinstance(near, dict) and "rope_theta" in near:
        out["rope_local_base_freq"] = near["rope_theta"]
    if whole.get("rope_type") not in (None, "default"):
        out["rope_scaling"] = {
            name: value for name, value in whole.items() if name not in ("rope_theta", "partial_rotary_factor")
        }
    return out

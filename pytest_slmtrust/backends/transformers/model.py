"""Load a model, check that it is what an audit needs, and find out how its cache may be used."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .files import ModelError, read_object
from .quantisers import check_quantiser
from .tokens import Codec, make_codec
from .weights import held_tensors, weight_files
from .whole import check_types, check_values, check_whole, held_in_pickles

#: The share of a vocabulary, one in so many, that may have no row in the embedding.
FEW = 10
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


#: Two texts of one shape that any tokenizer tells apart.
TOLD_APART = ("The house is old.", "A bird was here.")

#: Longer than any text.
UNBOUNDED = 10**9


class Sharing(IntEnum):
    """How a model's cache may be used: not at all, row by row in a batch, or with shared prefixes too."""

    NONE = 0
    ROWS = 1
    PREFIXES = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to answer. ``context``: the most tokens that it takes; ``positions``: whether it wants position ids.

    ``alone``: each text has its forwards to itself. ``window``: the columns that every layer sees whole. ``stretch``: the
    length from which a text's positions are scaled by its batch. ``states``: what its modules keep between forwards.
    """

    model: Any
    codec: Codec
    device: torch.device
    context: int
    vocabulary: int
    positions: bool
    sharing: Sharing
    kv_bytes: int
    narrows: bool
    alone: bool = False
    window: int = UNBOUNDED
    stretch: int = UNBOUNDED
    states: tuple[tuple[Any, str], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether a text can be answered the plain way only."""
        return self.alone and self.sharing == Sharing.NONE

    @property
    def widest(self) -> int:
        """The most columns of a batch, pads and holes among them."""
        return min(self.context, self.window, self.stretch)

    @property
    def shared_up_to(self) -> int | None:
        """The tokens of the longest text that shares a cache; None where any may, or none does."""
        return self.widest if self.sharing == Sharing.PREFIXES and self.widest < self.context else None

    def beyond(self) -> Loaded:
        """Return how texts are answered that are too long to share a cache."""
        return list(self.ways())[-1][1]

    def ways(self) -> Iterator[tuple[int, Loaded]]:
        """Yield how texts of up to so many tokens are answered, shortest first; the last way takes all."""
        if self.shared_up_to is not None:
            yield self.shared_up_to, self
        rows = replace(self, sharing=min(self.sharing, Sharing.ROWS), window=UNBOUNDED)
        if self.stretch < self.context:
            yield self.stretch, rows
            yield UNBOUNDED, replace(rows, sharing=Sharing.NONE, alone=True, stretch=UNBOUNDED)
        elif self.widest < self.context:
            yield UNBOUNDED, rows
        else:
            yield UNBOUNDED, self

    def forward(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any = None, use_cache: bool = True) -> Any:
        """Return one forward: ``ids`` [B, T], ``mask`` [B, past + T], ``positions`` [B, T]; the model's own output object."""
        extra = {"position_ids": positions} if self.positions else {}
        try:
            return self.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=use_cache, **extra)
        finally:
            for module, name in self.states:
                setattr(module, name, None)

    def at(self, ids: Tensor, mask: Tensor, positions: Tensor, spots: Tensor, cache: Any, use_cache: bool) -> tuple[Any, Tensor]:
        """Return a forward, and float32 logits [N, V] at ``spots`` [N, 2] (row, column): the head sees those places alone."""
        rows, columns = spots[:, 0], spots[:, 1]
        if not self.narrows:
            out = self.forward(ids, mask, positions, cache, use_cache)
            return out, out.logits[rows, columns].float()
        with head_on(self.model, rows, columns):
            out = self.forward(ids, mask, positions, cache, use_cache)
        return out, out.logits[0].float()


def load_model(
    folder: Path, dtype: str, device: str, allow_pickle: bool, allow_unused: bool = False
) -> tuple[Any, Any, tuple[str, ...]]:
    """Model and tokenizer of a linted folder, and the weights of its files that the model does not use.

    Nothing is fetched and no code of its author runs.

    Raises:
        ModelError: transformers cannot load it, or it would not be whole.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
        model, unused = _load_weights(folder, dtype, allow_pickle, allow_unused)
        return _placed(model, pick_device(device)), tokenizer, unused
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{folder}: cannot be loaded ({_first_line(error)})") from error


def _load_weights(folder: Path, dtype: str, allow_pickle: bool, allow_unused: bool) -> tuple[Any, tuple[str, ...]]:
    """Return the model with SDPA attention, or eager where it has no other, once it is whole."""
    from transformers import AutoModelForCausalLM

    check_quantiser(folder)
    files = weight_files(folder, allow_pickle)
    held = held_tensors(folder, files) or held_in_pickles(folder, files)
    # shapes that differ are then named, and refused; a quantiser stores other shapes by design
    plain = not read_object(folder / "config.json").get("quantization_config")
    for attention in ("sdpa", "eager"):
        try:
            model, info = AutoModelForCausalLM.from_pretrained(
                str(folder), dtype=DTYPES[dtype], trust_remote_code=False, local_files_only=True, attn_implementation=attention,
                use_safetensors=None if allow_pickle else True, output_loading_info=True, ignore_mismatched_sizes=plain,
            )  # fmt: skip
            break
        except ValueError as error:
            if attention == "eager" or "scaled_dot_product_attention" not in str(error):
                raise
        except RuntimeError:
            if plain:
                check_types(held, held)  # of which torch says no more than that there was an error
            raise
    return model, check_whole(folder, model, info, held, allow_unused)


def _placed(model: Any, device: torch.device) -> Any:
    """Return the model on a device; some quantised ones may not be moved, and are there already."""
    return model if next(model.parameters()).device.type == device.type else model.to(device)


def pick_device(device: str) -> torch.device:
    """``auto`` is CUDA where there is any, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:200] if text else 'no message'}"


def prepare(model: Any, tokenizer: Any) -> Loaded:
    """Check a loaded pair and learn its limits.

    Raises:
        ModelError: no causal decoder, a tokenizer larger than the embedding, or logits that are not finite.
    """
    from .ways import learn

    codec, rows, context = codec_and_limits(model, tokenizer)
    check_values(model)
    model.eval()
    positions = "position_ids" in inspect.signature(model.forward).parameters
    device = next(model.parameters()).device
    bare = Loaded(model, codec, device, context, rows, positions, Sharing.NONE, 0, False)
    before = _tensors(model)
    with torch.inference_mode():
        logits = _check_numbers(bare, type(model).__name__)
        states = _changed(before, _tensors(model))
        for module, name in states:
            setattr(module, name, None)
        bare = replace(bare, states=states)
        bare = replace(bare, narrows=_narrows(bare, logits))
        return learn(bare)


def codec_and_limits(model: Any, tokenizer: Any) -> tuple[Codec, int, int]:
    """Return the tokenizer with its special tokens settled, the ids that a model embeds, and the most tokens that it takes.

    No number of the weights is read: the model may lie on the meta device.

    Raises:
        ModelError: no causal decoder, or a tokenizer larger than the embedding.
    """
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    if getattr(model.config, "is_encoder_decoder", False):
        raise ModelError(f"{type(model).__name__} is an encoder-decoder; this audit needs a causal decoder (…ForCausalLM)")
    rows = int(model.get_input_embeddings().weight.shape[0])
    codec = make_codec(tokenizer, eos_ids(model))
    _check_vocabulary(tokenizer, codec, rows)
    _check_reading(tokenizer, codec)
    limits = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")]
    return codec, rows, min((n for n in limits if isinstance(n, int) and n > 0), default=UNBOUNDED)


def _tensors(model: Any) -> dict[tuple[Any, str], Any]:
    """Return what every module holds besides parameters and buffers: tensors, and places that are empty yet."""
    return {
        (module, name): value
        for module in model.modules()
        for name, value in vars(module).items()
        if not name.startswith("_") and (value is None or isinstance(value, Tensor))
    }


def _changed(before: dict[tuple[Any, str], Any], after: dict[tuple[Any, str], Any]) -> tuple[tuple[Any, str], ...]:
    """Return the places that a forward without a cache wrote to: the next one would go on from there (RecurrentGemma)."""
    return tuple(place for place, value in after.items() if value is not None and value is not before.get(place, value))


def _check_vocabulary(tokenizer: Any, codec: Codec, rows: int) -> None:
    """Refuse a vocabulary that is not the model's. A few added tokens without a row are fine: texts that hold one are refused.

    Raises:
        ModelError: tokens that were not added, many of those that were, or one that begins every text, have no row.
    """
    added = set(getattr(tokenizer, "get_added_vocab", dict)())
    beyond = {token: i for token, i in tokenizer.get_vocab().items() if i >= rows}
    few = len(beyond) <= len(tokenizer.get_vocab()) // FEW and added.issuperset(beyond)
    if not few or any(i >= rows for i in codec.prefix):
        largest = max([*beyond.values(), *codec.prefix])
        raise ModelError(f"the tokenizer has ids up to {largest}, the model embeds {rows} tokens: they do not belong together")


def _check_reading(tokenizer: Any, codec: Codec) -> None:
    """Refuse a tokenizer that cuts a text at random, or that does not tell two texts apart.

    Raises:
        ModelError: it says which.
    """
    dropped = getattr(getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None), "dropout", None)
    if dropped:
        raise ModelError(
            f"the tokenizer leaves out merges at random (dropout {dropped:g}), so no answer comes twice; set it to 0"
        )
    first, second = (tuple(codec.plain(text)) for text in TOLD_APART)
    if not first or not second or first == second:
        raise ModelError(f"the tokenizer makes the same {len(first)} tokens of two texts: what the model is asked would be lost")


def eos_ids(model: Any) -> list[int]:
    """End tokens of the generation config, else of the config.

    Raises:
        ModelError: they are not numbers.
    """
    for config in (getattr(model, "generation_config", None), model.config):
        said = getattr(config, "eos_token_id", None)
        if said is not None:
            ids = list(said) if isinstance(said, (list, tuple)) else [said]
            if not all(type(i) is int for i in ids):
                raise ModelError(f"eos_token_id is {str(said)[:60]!r}; expected the number of a token, or a list of them")
            return ids
    return []


def probe_ids(loaded: Loaded) -> list[int]:
    ids = loaded.codec.plain("The capital of France is a city on a river.") or [0]
    ids = (ids * 12)[:12] if len(ids) < 12 else ids[:12]
    return ids[: max(2, min(12, loaded.context - 1))]


def _check_numbers(loaded: Loaded, name: str) -> Tensor:
    """Finite logits, and no look ahead: the last token may not change what comes before it."""
    ids = probe_ids(loaded)
    other = [*ids[:-1], (ids[-1] + 1) % loaded.vocabulary]
    rows = torch.tensor([ids, other], device=loaded.device)
    logits = _logits(loaded, rows, torch.ones_like(rows), positions_of(torch.ones_like(rows)))
    if not torch.isfinite(logits).all():
        raise ModelError(f"{name} gives logits that are not finite (NaN or infinite) on a plain prompt: its weights are damaged")
    if not torch.allclose(logits[0, :-1], logits[1, :-1], rtol=0, atol=tolerance(loaded, logits)):
        raise ModelError(
            f"{name} looks ahead: it is not a causal decoder (a masked language model?); this audit needs …ForCausalLM"
        )
    return logits[:1]


def _narrows(loaded: Loaded, logits: Tensor) -> bool:
    """Return whether the head can see chosen places alone: it is a module called on the hidden states, and no more."""
    if loaded.model.get_output_embeddings() is None:
        return False
    ids = torch.tensor([probe_ids(loaded)], device=loaded.device)
    spots = torch.tensor([[0, 0], [0, ids.shape[1] - 1]], device=loaded.device)
    try:
        _, some = replace(loaded, narrows=True).at(
            ids, torch.ones_like(ids), positions_of(torch.ones_like(ids)), spots, None, False
        )
    except (TypeError, IndexError, RuntimeError, AttributeError):
        return False
    want = logits[0, spots[:, 1]]
    return some.shape == want.shape and torch.allclose(some, want, rtol=0, atol=tolerance(loaded, want))


def _logits(loaded: Loaded, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any = None) -> Tensor:
    out: Tensor = loaded.forward(ids, mask, positions, cache, use_cache=cache is not None).logits
    return out.float()


def positions_of(mask: Tensor) -> Tensor:
    return (mask.long().cumsum(-1) - 1).clamp(min=0)


def last_logits(loaded: Loaded, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the logits [V] after the last token of the first row, without a cache."""
    return _logits(loaded, ids, mask, positions_of(mask))[0, -1]


def tolerance(loaded: Loaded, logits: Tensor) -> float:
    """Return what rounding may do: near nothing in float32, a part of the spread in half precision."""
    exact = next(loaded.model.parameters()).dtype == torch.float32
    return max(1e-5, (1e-3 if exact else 0.2) * float(logits.std()))


@contextmanager
def head_on(model: Any, rows: Tensor, columns: Tensor) -> Iterator[None]:
    """Inside, the output head sees only the hidden states at (rows[i], columns[i]): logits come as [1, N, V].

    Scaling and soft-capping after the head act on those alone.
    """
    head = model.get_output_embeddings()

    def narrow(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0][rows, columns].unsqueeze(0), *inputs[1:])

    handle = head.register_forward_pre_hook(narrow)
    try:
        yield
    finally:
        handle.remove()


def pad(rows: Sequence[Sequence[int]], left: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask [B, T] of ragged rows, padded with 0 at the left or the right."""
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, place] = torch.tensor(row, dtype=torch.long)
        mask[i, place] = 1
    return ids.to(device), mask.to(device)

"""Compressed twins of the embedded model, each a factory for --slm: pytest --slm=variants:rtn2 ...

Every factory loads the parent afresh and changes the matrices inside its blocks; embeddings, norms and the output head stay.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pytest_slmtrust import Backend
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.backend import Settings
from pytest_slmtrust.backends.transformers.embedded import ensure_embedded

#: Weights that share one scale and one zero point, along the input dimension.
GROUP = 64
#: So many products of two numbers of 8 bits stay whole in float32, whatever they are.
EXACT = 2**24 // 128**2


def parent() -> tuple[Any, Any]:
    """The model as it is, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = str(ensure_embedded())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)


def batches_of_3() -> Backend:
    """The parent, asked in batches of 3 rows: other padding, and the same answers if batching changes nothing.

    It has the fingerprint of :func:`parent`; give it a store of its own, else it is answered with what that one said.
    """
    return wrap_loaded(*parent(), name="batches of 3", settings=Settings(batch_rows=3))


def rtn8() -> tuple[Any, Any]:
    """Weights rounded to 8 bits, products in float32."""
    return rounded(8)


def rtn4() -> tuple[Any, Any]:
    """Weights rounded to 4 bits."""
    return rounded(4)


def rtn3() -> tuple[Any, Any]:
    """Weights rounded to 3 bits."""
    return rounded(3)


def rtn2() -> tuple[Any, Any]:
    """Weights rounded to 2 bits."""
    return rounded(2)


def prune30() -> tuple[Any, Any]:
    """The smallest 30 % of each matrix set to zero."""
    return pruned(0.3)


def prune50() -> tuple[Any, Any]:
    """The smallest 50 % of each matrix set to zero."""
    return pruned(0.5)


def int8() -> tuple[Any, Any]:
    """Dynamic int8: whole-number products of int8 weights (a scale per output) and int8 inputs (a scale per token).

    The scheme of torchao's ``Int8DynamicActivationInt8WeightConfig``, written out. ``torch.ao.quantization`` is deprecated, and
    its one scale for a whole batch makes an answer depend on the others in its batch.
    """
    model, tokenizer = parent()
    for name, layer in _matrices(model):
        owner, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(owner), attribute, Int8Linear(layer))
    return model, tokenizer


def rounded(bits: int) -> tuple[Any, Any]:
    """The parent with every matrix rounded to nearest, see :func:`round_to_nearest`."""
    model, tokenizer = parent()
    for _, layer in _matrices(model):
        layer.weight.data = round_to_nearest(layer.weight.data, bits)
    return model, tokenizer


def pruned(share: float) -> tuple[Any, Any]:
    """The parent with a share of every matrix set to zero, see :func:`drop_smallest`."""
    model, tokenizer = parent()
    for _, layer in _matrices(model):
        layer.weight.data = drop_smallest(layer.weight.data, share)
    return model, tokenizer


def round_to_nearest(weight: Tensor, bits: int, group: int = GROUP) -> Tensor:
    """Each group of ``group`` weights [out, in] on ``2**bits`` even steps from its smallest to its largest; no datum is used."""
    rows = weight.reshape(-1, group)
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    step = ((high - low) / (2**bits - 1)).clamp(min=1e-12)
    rounded: Tensor = low + ((rows - low) / step).round() * step
    return rounded.reshape(weight.shape)


def drop_smallest(weight: Tensor, share: float) -> Tensor:
    """Exactly ``round(share * size)`` entries of the smallest magnitude set to zero."""
    kept = weight.clone()
    dropped = weight.abs().flatten().topk(round(share * weight.numel()), largest=False, sorted=False).indices
    kept.view(-1)[dropped] = 0
    return kept


class Int8Linear(nn.Module):
    """A linear layer in int8, its inputs [..., in] quantised token by token."""

    weight: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        assert layer.bias is None
        scale = layer.weight.detach().abs().amax(1).clamp(min=1e-12) / 127
        whole = (layer.weight.detach() / scale[:, None]).round().to(torch.int8)
        self.weight = nn.Parameter(whole, requires_grad=False)  # parameters, so that they count as what the model has learned
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out], float32."""
        rows = x.reshape(-1, x.shape[-1])
        scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        whole = self._product((rows / scale).round().to(torch.int8))
        return (whole * scale * self.scale).reshape(*x.shape[:-1], -1)

    def _product(self, rows: Tensor) -> Tensor:
        """Multiply whole numbers. CUDA wants more than 16 rows, so zeros are added there and taken away again.

        Many processors have no fast product of whole numbers: there float32 multiplies them, as many columns at a time as it
        adds up exactly.
        """
        if rows.device.type == "cpu":
            parts = zip(torch.split(rows, EXACT, 1), torch.split(self.weight, EXACT, 1), strict=True)
            made = [(left.float() @ right.float().t()).to(torch.int32) for left, right in parts]
            return torch.stack(made).sum(0)
        product: Tensor = torch._int_mm(nn.functional.pad(rows, (0, 0, 0, max(0, 32 - len(rows)))), self.weight.t())
        return product[: len(rows)]


def _matrices(model: Any) -> list[tuple[str, nn.Linear]]:
    """The linear layers inside the blocks, by name."""
    return [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear) and name != "lm_head"]

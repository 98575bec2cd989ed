"""Tiny random language models with a small trained tokenizer, for tests that run the real engine in milliseconds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

TEXT = (
    "the quick brown fox jumps over the lazy dog while seven wizards brew a potion of honey and thyme",
    "question: where does the river end? answer: the river ends in a wide grey sea beyond the hills",
    "a small model writes small words, and a large model writes large words; both may be wrong",
    "User: hello there\nAssistant: good morning to you, how may I help with the garden today?",
    "numbers such as 12, 305 and 4711 stand between letters; so do (brackets) and - dashes -",
)
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ("<|start|>", "<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>")
FAMILIES = ("llama", "gpt2", "gpt_neox", "qwen2", "gemma", "mistral", "mamba")


@cache
def tokenizer(add_bos: bool = False, template: str | None = TEMPLATE) -> Any:
    """A byte-level BPE of about 400 tokens as transformers saves them; one object each, so leave it as it is."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    raw.train_from_iterator(TEXT, trainer)
    if add_bos:
        raw.post_processor = processors.TemplateProcessing(single="<|start|> $A", special_tokens=[("<|start|>", 0)])
    made = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<|start|>", eos_token="<|end|>", pad_token="<|pad|>")
    made.chat_template = template
    return made


def model(
    family: str = "llama", seed: int = 0, vocabulary: int = 420, context: int = 256, spread: float = 0.4, width: int = 32
) -> Any:  # fmt: skip
    """A random model of two layers; ``spread`` is the deviation of its weights, wide enough for decided choices."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = AutoModelForCausalLM.from_config(config(family, vocabulary, context, width))
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, spread, generator=source)
    made.generation_config.eos_token_id = 1
    return made.eval()


def config(family: str, vocabulary: int = 420, context: int = 256, width: int = 32) -> Any:
    """The config of a tiny model of a family; ``width``: of its hidden states, over four heads."""
    import transformers as hf

    inner = 48 if width == 32 else 2 * width
    common = {
        "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": context,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
    }  # fmt: skip
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    if family == "gpt2":
        return hf.GPT2Config(vocab_size=vocabulary, n_positions=context, n_embd=width, n_layer=2, n_head=4, **ends)
    if family == "gpt_neox":
        plain = {k: v for k, v in common.items() if k != "num_key_value_heads"}
        return hf.GPTNeoXConfig(**plain)
    if family == "mamba":
        return hf.MambaConfig(vocab_size=vocabulary, hidden_size=32, state_size=8, num_hidden_layers=2, **ends)
    if family == "mistral":
        return hf.MistralConfig(**common, sliding_window=8)
    if family == "gemma":
        return hf.GemmaConfig(**common, head_dim=8)
    return {"llama": hf.LlamaConfig, "qwen2": hf.Qwen2Config}[family](**common)


def save(folder: Path, family: str = "llama", seed: int = 0, width: int = 32, **options: Any) -> Path:
    """A model folder as a user would have it."""
    folder.mkdir(parents=True, exist_ok=True)
    model(family, seed, width=width).save_pretrained(folder)
    tokenizer(**options).save_pretrained(folder)
    return folder


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    data = json.loads(path.read_text("utf-8"))
    data.update(changes)
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not None}), "utf-8")

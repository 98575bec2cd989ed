"""Tiny random models of many families of causal decoders, each with a window of 16 tokens where its family has one."""

from __future__ import annotations

from functools import cache
from typing import Any

VOCABULARY, CONTEXT, WINDOW = 264, 96, 16
ENDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}
#: What most configs of today call their sizes.
BASE: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, **ENDS,
}  # fmt: skip
ONE_HEAD_EACH = {"num_key_value_heads": 4}
#: The names of the GPT-2 line.
GPT: dict[str, Any] = {"vocab_size": VOCABULARY, "n_positions": CONTEXT, "n_embd": 32, "n_layer": 2, "n_head": 4, **ENDS}
OLD: dict[str, Any] = {k: v for k, v in BASE.items() if k != "num_key_value_heads"}
HEAD = {"head_dim": 8}
MIXED = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
ROUTED = {**ONE_HEAD_EACH, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_group": 1,
          "topk_group": 1, "first_k_dense_replace": 1, "n_shared_experts": 1}  # fmt: skip
LATENT = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
STATE = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 8}
DELTA = {"linear_num_value_heads": 2, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
         "layer_types": ["linear_attention", "full_attention"]}  # fmt: skip
LONG = {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [3.0] * 4}

#: Family: config class, and its whole arguments.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "afmoe": ("AfmoeConfig", {**BASE, **HEAD, **EXPERTS, **MIXED, "num_dense_layers": 1, "num_shared_experts": 1}),
    "apertus": ("ApertusConfig", BASE),
    "arcee": ("ArceeConfig", BASE),
    "bamba": ("BambaConfig", {**BASE, **STATE, "attn_layer_indices": [1], "mamba_expand": 2}),
    "biogpt": ("BioGptConfig", OLD),
    "bitnet": ("BitNetConfig", BASE),
    "bloom": ("BloomConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4, **ENDS}),
    "codegen": ("CodeGenConfig", {**GPT, "n_ctx": CONTEXT, "rotary_dim": 4}),
    "cohere": ("CohereConfig", BASE),
    "cohere2": ("Cohere2Config", {**BASE, **MIXED}),
    "ctrl": ("CTRLConfig", {**GPT, "dff": 40}),
    "cwm": ("CwmConfig", {**BASE, **HEAD, **MIXED}),
    "dbrx": ("DbrxConfig", {"vocab_size": VOCABULARY, "d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": CONTEXT, **ENDS,
                            "attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4},
                            "ffn_config": {"ffn_hidden_size": 40, "moe_num_experts": 2, "moe_top_k": 1}}),
    "deepseek_v2": ("DeepseekV2Config", {**BASE, **ROUTED, **LATENT, "head_dim": 4, "topk_method": "greedy"}),
    "deepseek_v3": ("DeepseekV3Config", {**BASE, **ROUTED, **LATENT}),
    "diffllama": ("DiffLlamaConfig", BASE),
    "doge": ("DogeConfig", BASE),
    "dots1": ("Dots1Config", {**BASE, **HEAD, **ROUTED}),
    "ernie4_5": ("Ernie4_5Config", {**BASE, **HEAD}),
    "ernie4_5_moe": ("Ernie4_5_MoeConfig", {**BASE, "moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 16}),
    "exaone4": ("Exaone4Config", {**BASE, **MIXED}),
    "exaone4_all_full": ("Exaone4Config", {**BASE, "layer_types": ["full_attention"] * 2, "sliding_window": None}),
    "falcon": ("FalconConfig", {**OLD, "alibi": False}),
    "falcon_alibi": ("FalconConfig", {**OLD, "alibi": True}),
    "falcon_h1": ("FalconH1Config", {**BASE, **STATE, "mamba_d_ssm": 64}),
    "falcon_mamba": ("FalconMambaConfig", {**OLD, "state_size": 8}),
    "flex_olmo": ("FlexOlmoConfig", {**BASE, "num_experts": 4, "num_experts_per_tok": 2}),
    "gemma": ("GemmaConfig", {**BASE, **HEAD}),
    "gemma2": ("Gemma2Config", {**BASE, **HEAD, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}),
    "gemma3": ("Gemma3TextConfig", {**BASE, **HEAD, **MIXED, "query_pre_attn_scalar": 8}),
    "gemma3n": ("Gemma3nTextConfig", {**BASE, **HEAD, "sliding_window": WINDOW, "num_hidden_layers": 4, "laurel_rank": 4,
                                      "intermediate_size": [40] * 4, "layer_types": ["sliding_attention", "full_attention"] * 2,
                                      "num_kv_shared_layers": 2, "vocab_size_per_layer_input": VOCABULARY,
                                      "hidden_size_per_layer_input": 8, "activation_sparsity_pattern": [0.0] * 4}),
    "glm": ("GlmConfig", {**BASE, **HEAD}),
    "glm4": ("Glm4Config", {**BASE, **HEAD}),
    "glm4_moe": ("Glm4MoeConfig", {**BASE, **HEAD, **ROUTED}),
    "gpt2": ("GPT2Config", GPT),
    "gpt_bigcode": ("GPTBigCodeConfig", {**GPT, "multi_query": True}),
    "gpt_neo": ("GPTNeoConfig", {"vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "hidden_size": 32, "num_layers": 2,
                                 "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": WINDOW, **ENDS}),
    "gpt_neox": ("GPTNeoXConfig", OLD),
    "gpt_neox_japanese": ("GPTNeoXJapaneseConfig", OLD),
    "gpt_oss": ("GptOssConfig", {**BASE, **HEAD, **MIXED, "num_local_experts": 4, "rope_scaling": None}),
    "gptj": ("GPTJConfig", {**GPT, "rotary_dim": 4}),
    "granite": ("GraniteConfig", BASE),
    "granitemoe": ("GraniteMoeConfig", {**BASE, "num_local_experts": 4}),
    "granitemoeshared": ("GraniteMoeSharedConfig", {**BASE, "num_local_experts": 4, "shared_intermediate_size": 16}),
    "granitemoehybrid": ("GraniteMoeHybridConfig", {**BASE, **STATE, "layer_types": ["mamba", "attention"], "mamba_expand": 2,
                                                    "num_local_experts": 2, "shared_intermediate_size": 16}),
    "helium": ("HeliumConfig", {**BASE, **HEAD}),
    "hunyuan": ("HunYuanDenseV1Config", {**BASE, **HEAD}),
    "hunyuan_moe": ("HunYuanMoEV1Config", {**BASE, **HEAD, "num_experts": 4, "moe_topk": [2, 2]}),
    "jais2": ("Jais2Config", BASE),
    "jamba": ("JambaConfig", {**BASE, "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2,
                              "expert_layer_offset": 1, "num_experts": 2, "use_mamba_kernels": False, "mamba_d_state": 8}),
    "jetmoe": ("JetMoeConfig", {**OLD, **ONE_HEAD_EACH, "kv_channels": 8, "num_local_experts": 4, "num_experts_per_tok": 2,
                                "num_key_value_heads": 2}),
    "lfm2": ("Lfm2Config", {**BASE, "layer_types": ["conv", "full_attention"]}),
    "lfm2_moe": ("Lfm2MoeConfig", {**BASE, **EXPERTS, "layer_types": ["conv", "full_attention"], "num_dense_layers": 1}),
    "llama": ("LlamaConfig", BASE),
    "llama4": ("Llama4TextConfig", {**BASE, **HEAD, "attention_chunk_size": WINDOW, "num_local_experts": 2, "floor_scale": 40,
                                    "intermediate_size_mlp": 40, "interleave_moe_layer_step": 1, "no_rope_layers": [1, 0],
                                    "layer_types": ["chunked_attention", "full_attention"]}),
    "mamba": ("MambaConfig", {**OLD, "state_size": 8}),
    "mamba2": ("Mamba2Config", {**OLD, "state_size": 8, "num_heads": 4, "head_dim": 16, "n_groups": 1, "chunk_size": 8}),
    "minimax": ("MiniMaxConfig", {**BASE, **HEAD, "num_local_experts": 2, "block_size": 8,
                                  "layer_types": ["linear_attention", "full_attention"]}),
    "minimax_m2": ("MiniMaxM2Config", {**BASE, **HEAD, "num_local_experts": 4, "num_experts_per_tok": 2, "rotary_dim": 8}),
    "ministral": ("MinistralConfig", {**BASE, **HEAD, **MIXED}),
    "ministral3": ("Ministral3Config", {**BASE, **HEAD}),
    "mistral": ("MistralConfig", {**BASE, "sliding_window": WINDOW}),
    "mistral_all_full": ("MistralConfig", {**BASE, "sliding_window": None}),
    "mixtral": ("MixtralConfig", {**BASE, "num_local_experts": 4}),
    "modernbert_decoder": ("ModernBertDecoderConfig", {**OLD, "local_attention": 2 * WINDOW, "global_attn_every_n_layers": 2,
                                                       "sliding_window": WINDOW, "cls_token_id": 256, "sep_token_id": 257}),
    "mpt": ("MptConfig", {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": CONTEXT,
                          "expansion_ratio": 2, **ENDS}),
    "nanochat": ("NanoChatConfig", BASE),
    "nemotron": ("NemotronConfig", BASE),
    "olmo": ("OlmoConfig", BASE),
    "olmo2": ("Olmo2Config", BASE),
    "olmo3": ("Olmo3Config", {**BASE, **MIXED}),
    "olmoe": ("OlmoeConfig", {**BASE, "num_experts": 4, "num_experts_per_tok": 2}),
    "openai-gpt": ("OpenAIGPTConfig", GPT),
    "opt": ("OPTConfig", {**OLD, "ffn_dim": 40, "word_embed_proj_dim": 32}),
    "persimmon": ("PersimmonConfig", OLD),
    "phi": ("PhiConfig", {**BASE, **ONE_HEAD_EACH}),
    "phi3": ("Phi3Config", BASE),
    "phi3_window": ("Phi3Config", {**BASE, "sliding_window": WINDOW}),
    "phi3_long": ("Phi3Config", {**BASE, "original_max_position_embeddings": 24, "rope_scaling": LONG}),
    "phimoe": ("PhimoeConfig", {**BASE, "num_local_experts": 4, "sliding_window": None}),
    "qwen2": ("Qwen2Config", BASE),
    "qwen2_window": ("Qwen2Config", {**BASE, "use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}),
    "qwen2_moe": ("Qwen2MoeConfig", {**BASE, **EXPERTS, "shared_expert_intermediate_size": 16}),
    "qwen3": ("Qwen3Config", {**BASE, **HEAD}),
    "qwen3_moe": ("Qwen3MoeConfig", {**BASE, **HEAD, **EXPERTS}),
    "qwen3_next": ("Qwen3NextConfig", {**BASE, **HEAD, **EXPERTS, **DELTA, "shared_expert_intermediate_size": 16}),
    "qwen3_5": ("Qwen3_5TextConfig", {**BASE, **HEAD, **DELTA}),
    "recurrent_gemma": ("RecurrentGemmaConfig", {**OLD, "intermediate_size": 96, "num_hidden_layers": 3, "lru_width": 32,
                                                 "attention_window_size": WINDOW}),
    "rwkv": ("RwkvConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "attention_hidden_size": 32, "intermediate_size": 40,
                            "num_hidden_layers": 2, "context_length": CONTEXT, **ENDS}),
    "seed_oss": ("SeedOssConfig", {**BASE, **HEAD}),
    "smollm3": ("SmolLM3Config", {**BASE, "no_rope_layers": [1, 0]}),
    "solar_open": ("SolarOpenConfig", {**BASE, **HEAD, **ROUTED}),
    "stablelm": ("StableLmConfig", BASE),
    "starcoder2": ("Starcoder2Config", {**BASE, "sliding_window": WINDOW}),
    "vaultgemma": ("VaultGemmaConfig", {**BASE, **HEAD, **MIXED, "query_pre_attn_scalar": 8}),
    "xglm": ("XGLMConfig", {"vocab_size": VOCABULARY, "d_model": 32, "ffn_dim": 40, "num_layers": 2, "attention_heads": 4,
                            "max_position_embeddings": CONTEXT, **ENDS}),
    "xlstm": ("xLSTMConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_heads": 4, **ENDS}),
    "zamba2": ("Zamba2Config", {**BASE, **ONE_HEAD_EACH, "mamba_d_state": 8, "n_mamba_heads": 4, "mamba_headdim": 16,
                                "mamba_ngroups": 1, "chunk_size": 8, "attention_hidden_size": 64, "attention_head_dim": 16,
                                "layers_block_type": ["mamba", "hybrid"], "use_mem_rope": True, "use_mamba_kernels": False}),
}  # fmt: skip


def model(family: str, spread: float = 0.35, **changes: Any) -> Any:
    """A random model of a family, in float32.

    Raises:
        LookupError: the installed transformers has no such family.
    """
    import torch
    import transformers as hf

    kind, arguments = FAMILIES[family]
    config = getattr(hf, kind, None)
    if config is None:
        raise LookupError(f"transformers {hf.__version__} has no {kind}")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = hf.AutoModelForCausalLM.from_config(config(**{**arguments, **changes}))
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, spread, generator=source)
    made.generation_config.eos_token_id = 257
    return made.eval()


@cache
def tokenizer() -> Any:
    """One token a byte, so that a text's length is known; without a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    raw = Tokenizer(models.BPE(vocab=letters | {"<s>": 256, "</s>": 257, "<pad>": 258}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>")

"""What a process has imported that forks for each run with a model of files."""

from __future__ import annotations

import preloaded
import torch
import transformers.models.gpt2.modeling_gpt2
import transformers.models.llama.modeling_llama
from transformers import AutoModelForCausalLM, AutoTokenizer

from pytest_slmtrust.backends.transformers import engine

IMPORTED = (*preloaded.IMPORTED, torch, transformers, AutoModelForCausalLM, AutoTokenizer, engine)

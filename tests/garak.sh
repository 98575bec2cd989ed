#!/bin/sh
# Install this package with garak into an environment of its own, and run the tests of garak's probes there.
# Argument: folder of the development environment's programs.
set -eu
bin=$(cd "$1" && pwd)
new=$(pwd)/.venv-garak/bin
test -x "$new/python" || "$bin/python" -m venv .venv-garak
"$new/python" -m pip install --quiet --upgrade 'pip>=25'
"$new/python" -m pip install --quiet --constraint constraints-garak.txt --editable '.[garak,offline]' pytest-xdist
"$new/python" -c "import transformers; assert transformers.__version__ >= '5', transformers.__version__"
OMP_NUM_THREADS=1 "$new/pytest" -q -p no:cacheprovider -o addopts= -o xfail_strict=true tests/test_catalog_garak.py tests/test_catalog_garak_runs.py

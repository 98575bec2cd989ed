# make audit: set up, and audit the embedded model. make test: set up, and run all checks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODEL ?= smollm2-135m-instruct
PROFILE ?= ci
# two workers on two cores: a thread each, or they wait for one another
WORKERS := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder
# make test PUBLIC_DATA=FOLDER: the tests over public data sets too
export PUBLIC_DATA

.PHONY: audit check test test-full lint types types-of-tests unit coverage wheel garak vllm bench bench-gates bench-harness clean

$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV): a few minutes the first time"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	# its prompts and word lists without what it requires, which does not go with TextAttack; make garak has all of it
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps garak xdg-base-dirs
	@touch $@

audit: $(READY)
	@sh tests/audit.sh $(BIN) $(MODEL) $(PROFILE)

test: lint unit wheel

# the loop while you write: no real model, no whole audits
check: lint
	$(WORKERS) -m "not model and not browser and not slow and not full"

# the tests have looser rules, so that mypy reads the package for them again: one process each
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory --jobs 2 types types-of-tests
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

types-of-tests: $(READY)
	$(BIN)/mypy --config-file tests/mypy.ini

# compiled first: each process that a test starts would compile the package anew, where the environment has Python write nothing
unit: $(READY)
	$(BIN)/python -m compileall -q pytest_slmtrust pytest_slmtrust/probes tests benchmarks
	$(WORKERS) -m "not browser and not full" --durations=5

# the wheel alone, in a new environment without TextAttack: transformers 5
wheel: $(READY)
	sh tests/wheel.sh $(BIN)

# probes of garak in an environment of its own, with transformers 5 and all that garak requires: 6 GB, 6 minutes
garak: $(READY)
	sh tests/garak.sh $(BIN)

# vLLM on the CPU, compared with transformers in an environment of its own: 3.5 GB, 15 minutes
vllm: $(READY)
	sh tests/vllm.sh $(BIN)

test-full: lint wheel garak vllm coverage
	$(BIN)/pytest -q

# counted lines of the packages in pyproject.toml, by the tests that are written for them: below the bar there it fails
COUNTED := $(wildcard tests/test_stats_*.py tests/test_detectors_*.py) $(addprefix tests/test_, credentials.py personal_data.py \
	precision.py quality.py labels.py envelope_limits.py limits.py stopping.py probes_privacy.py gates.py)
coverage: $(READY)
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -q $(COUNTED)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: $(READY)
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/again.py

# beside lm-evaluation-harness, in an environment of its own: make bench-harness HARNESS=its/bin/python PUBLIC_DATA=FOLDER
bench-harness: $(READY)
	$(BIN)/python benchmarks/harness.py --harness $(HARNESS)

bench-gates: $(READY)
	$(BIN)/python benchmarks/all_gates.py
	cd examples/compression && ../../$(BIN)/python compare.py

clean:
	rm -rf $(VENV) .venv-wheel .venv-garak .venv-vllm build dist *.egg-info slmtrust-report .slmtrust

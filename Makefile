# Everything runs in .venv, which the first verb you use creates; nothing is installed globally.
SHELL := /bin/sh
VENV ?= .venv
LOCK ?= requirements.lock
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH := .venv-bench/.ready
PEERS := .venv-peers/.ready
FUZZ := .venv-fuzz/.ready
SECONDS ?= 300
RUNS ?= 400
SEED ?= 0
# Where anybody may mount a disk, and nothing of it is left.
ALONE := unshare --user --map-root-user --mount
RESOLVED := --quiet --universal --generate-hashes --python-version 3.11 --all-extras --group dev \
	--no-emit-index-url --no-emit-find-links --no-header
DOCS := .venv-docs/.ready
NEW_ENOUGH := 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c $(NEW_ENOUGH) 2>/dev/null && echo "$$p" && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup replay replay-frozen replay-batch record standin test pythons lowest golden lint \
	bench peers fuzz faults docs format lock clean

help: ## Show the verbs
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(READY) ## Create .venv with everything in it (the other verbs do it by themselves)

$(READY): $(LOCK) pyproject.toml
	@"$(PYTHON)" -c $(NEW_ENOUGH) 2>/dev/null || \
		{ echo "golden-replay needs Python 3.11 or newer with venv and pip"; exit 2; }
	@echo "Setting up $(VENV) with $(PYTHON), once …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# cassetter and pytest-recording claim the same pytest option, so the peers live apart.
$(BENCH): requirements.lock pyproject.toml
	@echo "Setting up .venv-bench, once …"
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv-bench/bin/pip install -qq --disable-pip-version-check cassetter==0.16.1
	@.venv-bench/bin/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Their tests run without pytest-recording, and with it.
$(PEERS): requirements.lock bench/peers.txt
	@echo "Setting up .venv-peers, once …"
	@$(PYTHON) -m venv --clear .venv-peers
	@.venv-peers/bin/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv-peers/bin/pip install -qq --disable-pip-version-check -r bench/peers.txt
	@.venv-peers/bin/pip uninstall -qq --disable-pip-version-check --yes pytest-recording
	@touch $@

# atheris has no build for every Python that we run on, so it lives apart.
$(FUZZ): requirements.lock pyproject.toml
	@echo "Setting up .venv-fuzz, once …"
	@$(PYTHON) -m venv .venv-fuzz
	@.venv-fuzz/bin/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv-fuzz/bin/pip install -qq --disable-pip-version-check "atheris>=3.0"
	@.venv-fuzz/bin/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DOCS): docs/requirements.txt
	@echo "Setting up .venv-docs, once …"
	@$(PYTHON) -m venv --clear .venv-docs
	@.venv-docs/bin/pip install -qq --disable-pip-version-check -r docs/requirements.txt
	@touch $@

replay: $(READY) ## Re-execute a recorded run, offline: make replay RUN=episode_12345
	@test -n "$(RUN)" || { echo "Which one? make replay RUN=episode_12345"; exit 2; }
	@$(BIN)/replay run "$(RUN)"

replay-frozen: $(READY) ## … against one version: make replay-frozen RUN=… MODEL_VERSION=…
	@test -n "$(RUN)" && test -n "$(MODEL_VERSION)" || \
		{ echo "Which one? make replay-frozen RUN=episode_12345 MODEL_VERSION=gpt-4o-2024-08-06"; exit 2; }
	@$(BIN)/replay frozen "$(RUN)" --model "$(MODEL_VERSION)"

replay-batch: $(READY) ## Re-execute many: make replay-batch EPISODES_FILE=episodes.txt
	@test -n "$(EPISODES_FILE)" || { echo "Which ones? make replay-batch EPISODES_FILE=episodes.txt"; exit 2; }
	@$(BIN)/replay batch "$(EPISODES_FILE)"

record: $(READY) ## Record the example's episodes, cassettes and goldens anew, against the stand-in
	@$(BIN)/python -m examples.support_agent.record

standin: $(READY) ## Start the stand-in provider and APIs on 127.0.0.1:8377
	@$(BIN)/python -m examples.support_agent.standin

test: $(READY) ## Run the whole test suite
	@$(BIN)/pytest -n auto

# On the path, or kept by pyenv beside it.
pythons: ## Run the whole suite under each Python that is here: 3.11 to 3.14
	@for n in 11 12 13 14; do \
		for python in python3.$$n "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.$$n.*/bin/python; do \
			$$python -c $(NEW_ENOUGH) 2>/dev/null || continue; \
			$(MAKE) --no-print-directory test VENV=.venv-3.$$n PYTHON=$$python || exit; \
			break; \
		done; \
	done

lowest: ## Run the whole suite on the oldest dependencies that pyproject.toml allows (needs uv)
	uv pip compile $(RESOLVED) --resolution lowest-direct pyproject.toml -o .venv-lowest.lock
	@$(MAKE) --no-print-directory test VENV=.venv-lowest LOCK=.venv-lowest.lock

golden: $(READY) ## Replay the golden tests, offline
	@TEST_MODE=GOLDEN $(BIN)/pytest -m golden

lint: $(READY) ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 --no-warn-unreachable --cache-dir .mypy_cache/win32
	@$(BIN)/ruff check --quiet --preview --select PLW1514 replay # each file says its encoding

bench: $(BENCH) ## Measure side by side with the peers, and write docs/benchmarks.md
	@.venv-bench/bin/python -m bench --to docs $(if $(CORPUS),--corpus $(CORPUS))

peers: $(PEERS) ## Run the peers' own suites with ours in place, and write docs/peers.md
	@.venv-peers/bin/python -m bench.peers

fuzz: $(FUZZ) ## Fuzz every reader: make fuzz SECONDS=300
	@.venv-fuzz/bin/python -m fuzz --seconds $(SECONDS)

faults: $(READY) ## Try faults, and write the table of them: make faults RUNS=400 SEED=0
	@$$($(ALONE) true 2>/dev/null && echo $(ALONE)) $(BIN)/python -m faults --runs $(RUNS) --seed $(SEED)

docs: $(DOCS) ## Build the documentation into site/; a warning is an error
	@PYTHONPATH=. NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@echo "Open site/index.html"

format: $(READY) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## Resolve the dependencies anew into requirements.lock (needs uv)
	uv pip compile $(RESOLVED) --upgrade pyproject.toml -o requirements.lock

clean: ## Remove .venv and the derived store
	rm -rf .venv .venv-* .fuzz site \
		episodes/episodes.db episodes/episodes.db-wal episodes/episodes.db-shm

# Two commands do everything on a fresh machine: `make demo` and `make test`. The rest is for daily work.

PYTHON ?= python3
BIN := .venv/bin
IMAGE_FILE := .build/image-id
# A process for each processor, up to four: more would only wait for the one engine.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
export PYTHONWARNINGS := ignore::SyntaxWarning

.PHONY: help setup tools demo up down test bench-seal bench-receipts bench-privacy security check format lint types imports generated generate wheel lock clean \
	gas fuzz-contracts fuzz-receipts audit-contracts

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 18

tools: ## Install the Python environment, the local chain and the contracts' compiler
	@PYTHON=$(PYTHON) deploy/setup/python.sh
	@deploy/setup/node.sh --compiler

setup: tools ## Install all that is missing: environment, chain, container engine, image
	@deploy/setup/engine.sh
	@mkdir -p .build
	@PYTHON=$(CURDIR)/$(BIN)/python deploy/image/build.sh -o $(IMAGE_FILE) >/dev/null

demo: setup ## Play owner, scientist and auditor on real data, from nothing to a verified receipt
	@$(BIN)/python deploy/demo.py run --image-file $(IMAGE_FILE)

up: setup ## Start the demo's stack, leave it running, and say what to try next
	@$(BIN)/python deploy/demo.py up --image-file $(IMAGE_FILE)

down: ## Stop the demo's stack
	@$(BIN)/python deploy/demo.py down

test: setup ## Pass every test
	@$(PYTEST)

bench-seal: setup ## Measure what the seal costs (an hour, on a quiet machine); writes bench/results/seal.json
	@$(BIN)/python -m bench.seal --image-file $(IMAGE_FILE)

bench-receipts: tools ## Measure verifying, auditing and logging receipts; writes bench/results/receipts.json
	@$(BIN)/python -m bench.receipts

bench-privacy: tools ## Measure what privacy costs in time and accuracy; writes bench/results/privacy.json
	@$(BIN)/python -m bench.privacy

security: setup ## Make every attack on the seal, on every runtime here, and write the page that tells of it
	@$(BIN)/python -m pytest tests/attacks --write-outcomes
	@$(BIN)/python deploy/generate.py

check: setup ## What must hold before a change lands: format, lint, types, imports, generated files, wheel, tests
	@$(MAKE) --no-print-directory lint types imports generated wheel
	@$(PYTEST) --ignore=tests/test_habits.py

format: tools ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

lint: tools ## Check format and style
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: tools ## Check types, strictly
	@$(BIN)/mypy

imports: tools ## Check who imports whom
	@$(BIN)/lint-imports --no-cache

generated: tools ## Check that committed generated files are what their sources make
	@$(BIN)/python deploy/generate.py --check
	@node deploy/node/compile.mjs --check

generate: tools ## Make the generated files anew
	@$(BIN)/python deploy/generate.py
	@node deploy/node/compile.mjs

wheel: tools ## Build the wheel and check what is in it
	@$(BIN)/python deploy/check_wheel.py

gas: tools ## Measure what the contracts cost; fail when a figure is over its target or got worse by over 2 %
	@$(BIN)/python -m bench.gas

fuzz-contracts: tools ## Trade at random, thousands of steps, and check every invariant of the contracts after each
	@SEALROOM_FUZZ=long $(BIN)/python -m pytest tests/datatokens/test_invariants.py --timeout=0

fuzz-receipts: tools ## Fuzz every parser of receipts for ten minutes, and with thousands of examples each
	@SEALROOM_FUZZ=long $(BIN)/python -m pytest tests/fuzz --timeout=0

audit-contracts: tools ## Run slither over the contracts; fail on a finding that docs/contracts.md has no answer for
	@PYTHON=$(CURDIR)/$(BIN)/python deploy/contracts/slither.sh

lock: tools ## Lock the newest versions that pyproject.toml admits
	@deploy/requirements/lock.sh

clean: ## Remove what was built, but not the demo's home
	@rm -rf .build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis

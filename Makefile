# Every target sets up what it needs first; see packaging/bootstrap.py.
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
BOOTSTRAP := $(PYTHON) packaging/bootstrap.py
ARGS ?=

.PHONY: help venv run demo test test-setup lint format bench natlab soak package locks

help:
	@echo "make run      open Covey's window"
	@echo "make demo     two windows that chat, without internet"
	@echo "make test     all checks and tests"
	@echo "make lint     style and types only"
	@echo "make bench    benchmarks; ARGS='--quick --only connect'"
	@echo "make natlab   tests in network namespaces (root)"
	@echo "make soak     simulations with new seeds until stopped; ARGS='--minutes 60'"
	@echo "               one file of tests only: ARGS='--only rooms --seeds 10000'"
	@echo "make package  a folder that runs without Python, in dist/"
	@echo "make venv     .venv with the command covey in it"

venv:
	@$(BOOTSTRAP) venv

run:
	@$(BOOTSTRAP) run
	@.venv/bin/covey $(ARGS)

demo:
	@$(BOOTSTRAP) run
	@.venv/bin/covey demo $(ARGS)

test-setup:
	@$(BOOTSTRAP) test

lint: test-setup
	@$(VENV_PYTHON) packaging/check.py lint

format: test-setup
	@$(VENV_PYTHON) -m ruff format .
	@$(VENV_PYTHON) -m ruff check --fix .

test: test-setup
	@$(VENV_PYTHON) packaging/check.py all $(ARGS)

natlab: test-setup
	@$(VENV_PYTHON) packaging/check.py natlab $(ARGS)

bench: test-setup
	@$(VENV_PYTHON) -m tests.bench $(ARGS)

soak: test-setup
	@$(VENV_PYTHON) packaging/soak.py $(ARGS)

package:
	@$(BOOTSTRAP) package
	@$(VENV_PYTHON) packaging/build.py $(ARGS)

locks:
	@$(PYTHON) packaging/lock.py $(ARGS)

# Everything starts from three commands: make demo, make lab, make test. Needs GNU make, Python 3.11 or newer and its venv module.
# Another interpreter: make demo PYTHON=python3.13    More for pytest: make test ARGS="-k ledger"

# The chaos campaign: make chaos RUNS=200 SEED=1 OUT=reports/chaos [VENUES=KALSHI,ALPACA+DERIBIT]; the same seed is the same campaign (tests/chaos/README.md).

# Tests run in as many processes as there are processors, at most four: make test WORKERS= for one, in which a debugger works.

PYTHON ?= python3
WORKERS ?= -n auto --maxprocesses 4 --dist loadfile
RUNS ?= 20
SEED ?= 1
OUT ?= reports/chaos
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off -c constraints.txt

# Where images of containers forbid bytecode, each of the many processes that tests start would compile hedgekit anew.
unexport PYTHONDONTWRITEBYTECODE

MAKEFLAGS += --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: help demo lab test types warm docs notebooks shots sdk-test wheel-test chaos bench clean

help:
	@echo "make demo    install what is needed into $(VENV), run the sandbox exchange and a paper session, write the report"
	@echo "make lab     the same installation, then JupyterLab on the notebooks (stop it with Ctrl-C)"
	@echo "make test    install what the tests need, then lint, types, layers and all tests"
	@echo "make docs    the documentation as a folder of pages: docs/_build/index.html"
	@echo "make notebooks   every notebook from top to bottom with its own numbers, and how long each took"
	@echo "make shots   a picture of every notebook and widget, light and dark, into reports/shots: ARGS=\"--only Signal\" for some"
	@echo "make sdk-test   client libraries of others (alpaca-py, ccxt, Kalshi's, Polymarket's), each in an environment of its own under .sdk, judge the sandbox: ARGS=\"deribit kalshi\" for some"
	@echo "make wheel-test   the wheel alone, as a stranger installs it, on Python 3.11 and 3.13: ARGS=\"--python 3.12\" for another"
	@echo "make chaos   sandbox and session under random faults and kills, held against the exchange's own books: RUNS=200 SEED=1 OUT=reports/chaos"
	@echo "make bench   speed beside other libraries, in an environment of their own (.bench), into reports/bench.html: QUICK=1 for a few minutes"
	@echo "make clean   remove $(VENV), .sdk, .bench and everything that was built or cached; reports stay"

demo: $(VENV)/.run
	@$(BIN)/hedgekit demo $(ARGS)

lab: $(VENV)/.run
	@$(BIN)/hedgekit lab $(ARGS)

test: $(VENV)/.test
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.postgres
	@$(BIN)/python -m tests.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb
	@$(MAKE) -j2 types warm
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

types:
	$(BIN)/mypy

warm:
	@$(BIN)/python -m tests.warm

docs: $(VENV)/.test
	@$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build
	@echo "docs/_build/index.html"

notebooks: $(VENV)/.test
	@$(BIN)/python -m tests.notebooks $(ARGS)

shots: $(VENV)/.test
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.shots $(ARGS)

sdk-test: $(VENV)/.run
	@$(BIN)/python -m tests.sdk $(ARGS)

wheel-test: $(VENV)/.test
	@$(BIN)/python -m tests.package $(ARGS)

chaos: $(VENV)/.test
	@$(BIN)/python -m tests.chaos --runs $(RUNS) --seed $(SEED) --out $(OUT) $(if $(VENUES),--venues $(VENUES)) $(ARGS)

bench: $(VENV)/.test
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.postgres
	@$(BIN)/python -m tests.perf --size $(if $(QUICK),quick,full) $(ARGS)

clean:
	@rm -rf $(VENV) .sdk .bench build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find hedgekit tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Clean. Reports stay in reports/."

# An environment whose making was interrupted has no stamp, and is made anew.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null 2>&1 \
	  || { echo "hedgekit: there is no $(PYTHON) here; install Python 3.11 or newer, or name one: make demo PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "hedgekit: $(PYTHON) is $$($(PYTHON) -V 2>&1), hedgekit needs 3.11 or newer; name one: make demo PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "hedgekit: $(PYTHON) has no venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) -V 2>&1) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# $(1) what pip installs, $(2) how to call it. pip's own words go to a log; its count is the progress.
define install
	@echo "Installing $(2), exact versions from constraints.txt (a minute or two the first time) ..."
	@{ $(PIP) -e '$(1)' 2>&1; echo "pip ended with $$?"; } | tee $(VENV)/install.log | awk \
	  '/^ *Collecting / { if (++n % 20 == 0) { print "  " n " packages found"; fflush() } } /^Installing collected/ { print "  unpacking"; fflush() }'
	@tail -n 1 $(VENV)/install.log | grep -qx 'pip ended with 0' \
	  || { grep -i error $(VENV)/install.log | tail -n 3 >&2; echo "hedgekit: pip failed; its full log is $(VENV)/install.log" >&2; exit 1; }
endef

$(VENV)/.run: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.,hedgekit)
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.[test],hedgekit and what its tests need)
	@touch $(VENV)/.run $@

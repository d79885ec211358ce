# make demo   from nothing to a trained translator and a report, about 5 minutes on 2 cores
# make test   lint, types and tests, as continuous integration runs them
# make env    the environment alone, in .venv; both of the others make it if need be

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help env test demo clean
help:
	@sed -n 's/^# make/make/p' $(MAKEFILE_LIST)

env: $(READY)
$(READY): pyproject.toml constraints.txt
	@echo "making the environment in $(VENV): a minute or two"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -qq -c constraints.txt -e ".[dev]"
	@touch $(READY)

# The tests start many processes: none but the first compiles the package.
test: export PYTHONDONTWRITEBYTECODE :=
test: env
	ruff check
	ruff format --check
	mypy
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist worksteal -m "not slow"

# Each line is a command to try on pictures of your own; run again, what is done already is kept.
demo: env
	@test -d demo/street || diptych data samples street --count 600 --size 128 --out demo/street
	diptych data check demo/street
	diptych train recipes/street.yaml --data demo/street --out demo/run
	diptych evaluate demo/run --data demo/street
	diptych translate demo/run demo/street/test/labels --out demo/translated --overwrite
	@echo
	@echo "report with pictures and scores   demo/run/report.html"
	@echo "translated pictures               demo/translated/"
	@echo "how it learned                    demo/run/samples/, or: $(VENV)/bin/tensorboard --logdir demo/run"
	@echo "the translator, to keep or share  demo/run/model/"
	@echo
	@echo "Next: . $(VENV)/bin/activate, then"
	@echo "    diptych data check YOUR_FOLDER                   pairs side by side, or by name in two folders"
	@echo "    diptych train paired --data YOUR_FOLDER          and see: diptych options paired"
	@echo "README.md goes on from here."

clean:
	rm -rf $(VENV) demo

# Everything is set up in .venv by what needs it. PYTHON names another interpreter, for example PYTHON=python3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.DELETE_ON_ERROR:
.PHONY: help demo test check docs schema bench gpu-data gpu-report lock clean

help:  ## Say what the targets do
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(INSTALLED)  ## Run the workflow on embedded data and print the table
	$(BIN)/snakemake --cores all --configfile config/demo.yaml --quiet rules progress
	@$(BIN)/python -m dynseg summary results/demo

test: $(INSTALLED)  ## Run the quick tests and the examples of docstrings
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadfile

check: $(INSTALLED)  ## Lint, format, types, Snakemake's linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

schema: $(INSTALLED)  ## Write what follows from the declared configuration
	$(BIN)/python -m dynseg.workflow.schema

bench: $(INSTALLED)  ## Measure; benchmarks/README.md explains
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/strip_layer.py
	$(BIN)/python benchmarks/whole_image.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/job_overhead.py
	$(BIN)/python benchmarks/scale.py

gpu-data: $(INSTALLED)  ## Write the test images into one file for benchmarks/gpu.py; DYNSEG_ARCHIVES names the archives
	$(BIN)/python benchmarks/gpu_data.py

gpu-report: $(INSTALLED)  ## Write what benchmarks/gpu.py measured into the documents
	$(BIN)/python benchmarks/gpu_report.py

lock: $(INSTALLED)  ## Write requirements.lock from what .venv holds
	{ head -1 requirements.lock; $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed "s/+cpu$$//"; } > requirements.lock.new
	mv requirements.lock.new requirements.lock

docs: $(VENV)/docs/installed  ## Build the documentation's site into site/
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict --quiet

clean:  ## Remove .venv and what was built
	rm -rf $(VENV) build site *.egg-info

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "requirements.lock is for Python 3.11 to 3.13 and $(PYTHON) isn't one: run make PYTHON=/path/to/python3.11"; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# An environment of its own, which nothing else needs.
$(VENV)/docs/installed: requirements-docs.lock
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

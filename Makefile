# Each target makes .venv and installs on first use.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: run verify check test static package lab app notebooks docs

run: .venv/installed
	$(BIN)/python run_all.py

# Compare the tables of a run here with those of the last commit. The exit status is 1 if a value differs.
verify: .venv/installed
	$(BIN)/python run_all.py --verify

# Style, types, and the quick tests: before every commit.
check: static
	$(BIN)/python -m pytest --numprocesses logical --dist worksteal -m "not slow and not browser and not notebooks"

# The same with all tests. Style and types are checked meanwhile.
test: .venv/installed
	$(MAKE) --no-print-directory static & static=$$!; \
	$(BIN)/python -m pytest --numprocesses logical --dist loadfile --no-loadscope-reorder && wait $$static

static: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The source distribution and the wheel are complete, and the wheel works without the repository.
package: .venv/installed
	$(BIN)/python .ci/package.py

# The notebooks, from the first page on. A notebook whose inputs are missing names the command that makes them.
lab: .venv/installed
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_quickstart.ipynb

# A web page: why was this recommended, and what if? It shows the best models that are trained, else generated data.
app: .venv/installed
	$(BIN)/voila notebooks/config/pages/explore.py --Voila.config_file_paths=notebooks/config

# Execute the notebooks with their own parameters and store them in the form in which they are committed.
notebooks: .venv/installed
	$(BIN)/ruff format notebooks
	$(BIN)/python -m lxr.runs.canonical_notebooks notebooks/*.ipynb notebooks/examples/*.ipynb

# The documentation site, in docs/_build/html, without network. It shows the notebooks with the figures of a run, if there is one.
docs: .venv/installed
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs docs/_build/html

# A machine for which other recommender libraries are not to be had does without them.
.venv/installed: requirements.txt requirements-optional.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	-$(BIN)/python -m pip install --quiet -r requirements-optional.txt
	touch $@

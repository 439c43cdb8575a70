# Everything needs Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app test slow check bench

app: $(VENV)/installed  ## install what is needed, and open the app at localhost:8501
	$(BIN)/streamlit run app.py

# what is compiled is kept, whatever the shell says: each process, and each that a test starts, would
# compile all of it anew
test: $(VENV)/installed  ## the suite; many of its tests wait, so three processes fill two cores
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist loadgroup

slow: $(VENV)/installed  ## what takes long and seldom breaks
	$(BIN)/python -m pytest -m slow

check: $(VENV)/installed  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/benchmarks-installed  ## half an hour of timings, for benchmarks/README.md
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/peers.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/sweep.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/peak.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/stability.py
	$(BIN)/python benchmarks/clicks.py
	$(BIN)/python benchmarks/visits.py

# TORCH_INDEX=<URL of a PyTorch wheel index> takes torch and torchvision from there: see README.md
$(VENV)/installed: requirements.txt
	@$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	    'Python %d.%d is too old: install 3.11 or newer, or name one: make PYTHON=python3.12' \
	    % sys.version_info[:2])"
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --index-url $(TORCH_INDEX) torch torchvision)
	$(BIN)/python -m pip install --requirement requirements.txt
	@touch $@

# offline, the timings are taken without it, and say so
$(VENV)/benchmarks-installed: benchmarks/requirements.txt $(VENV)/installed
	$(BIN)/python -m pip install --requirement benchmarks/requirements.txt && touch $@ || true

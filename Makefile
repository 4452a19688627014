# The only entry points that a newcomer needs. `make reproduce [PRESET=quick|cpu|gpu|paper] [ONLY=table1] [PROFILE=slurm]`
PRESET ?= quick
ONLY ?=
COMPLETE ?=
PROFILE ?= default
CHAOS_SEED ?= 2401
# nproc itself takes OMP_NUM_THREADS, which is about the threads of one job, for the number of cores.
CORES ?= $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
# Empty: requirements/install.sh takes the first of python3.11, 3.12, 3.13 and python3 that will do.
PYTHON ?=

VENV := .venv
BIN := $(VENV)/bin
# Whole files side by side, as tests/spread.py says; a worker needs 1 GB. PYTEST_ARGS="-n 0": one by one.
WORKERS := -n $(CORES) --maxprocesses 8
LOCKS := requirements/torch.txt requirements/lock.txt pyproject.toml
GPU_DATA := $(foreach s,mnist cifar10,data/processed/$(s)/train_images.npy)
# One thread a job is set in the configuration; libraries that read the environment are told too.
export OMP_NUM_THREADS ?= 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup reproduce audit gate badge docs test test-portable test-slurm chaos gpu-kit lint clean
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(VENV)/.ready ## Install the locked environment into .venv

$(VENV)/.ready: $(LOCKS)
	@PYTHON="$(PYTHON)" requirements/install.sh $(VENV)
	@touch $@

reproduce: setup ## Data to report: PRESET=quick|cpu|gpu|paper, ONLY=table1|table2|table3, PROFILE=slurm
	@$(BIN)/python workflow/reproduce.py --preset "$(PRESET)" --only "$(ONLY)" --cores "$(CORES)" \
	  --profile "$(PROFILE)" $(if $(COMPLETE),--complete)

audit: setup ## Check every number of PRESET back to its bytes, against the commit
	@$(BIN)/nsgf audit "results/$(PRESET)" $(if $(ONLY),--only "$(ONLY)") $(AUDIT_ARGS)

gate: setup ## Refuse altered files before a run goes on from them
	@$(BIN)/nsgf audit "results/$(PRESET)" $(if $(ONLY),--only "$(ONLY)") --gate

badge: setup ## The page that reviewers of an artefact ask for: results/PRESET/evaluation.md
	@$(BIN)/nsgf badge --preset "$(PRESET)"

docs: setup ## The library's API reference in docs/api, from docstrings: open docs/api/index.html
	@rm -rf docs/api
	@$(BIN)/python docs/reference.py docs/api

test: setup ## All tests; those that cannot run here are named with the reason
	@$(BIN)/python -m pytest -rs $(WORKERS) $(PYTEST_ARGS)

test-slurm: setup ## The whole workflow on a real SLURM of two nodes on this machine (root, Debian)
	@$(BIN)/python -m pytest -rs -s tests/workflow/test_slurm.py

test-portable: setup ## The same bytes on emulated processors, a quarter of an hour (Debian: qemu-user)
	@$(BIN)/python -m pytest -rs tests/portable.py

chaos: setup ## 30 faults at random moments, here and on a real SLURM (root, Debian): CHAOS_SEED=2401
	@PYTHONPATH=. $(BIN)/python -m tests.chaos.campaign --seed "$(CHAOS_SEED)" $(CHAOS_ARGS)

gpu-kit: setup ## What a bare machine with a GPU needs to test and measure, in gpu-kit/ (docs/gpu.md)
	@$(BIN)/nsgf make $(GPU_DATA)
	@PYTHONPATH=. $(BIN)/python -m tests.gpu.pack

lint: setup ## ruff, snakefmt, snakemake --lint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile workflow
	@$(BIN)/snakemake --lint

clean: ## Remove results and logs of PRESET; downloads and the environment stay
	@case "$(PRESET)" in ""|published|*/*|.*) echo "nsgf: '$(PRESET)' is no preset" >&2; exit 1;; esac
	rm -rf "results/$(PRESET)" "logs/$(PRESET)"

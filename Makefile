# All that is needed: make and a Python 3.10, 3.11 or 3.12 with its venv module.
# PYTHON=...       the Python to make the environment from
# PYTEST_ARGS=...  more arguments for pytest, for example PYTEST_ARGS="-x tests/data"
# TEST_WORKERS=2   processes that share the tests, each taking whole files; 0 runs them in one

VENV ?= .venv
PY := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
TENSORFLOW_VENV ?= .venv-tf
TENSORFLOW := $(TENSORFLOW_VENV)/.tensorflow-installed
PEERS_VENV ?= .venv-peers
PEERS := $(PEERS_VENV)/.peers-installed
QUICKSTART := quickstart
TEST_WORKERS ?= 2
# In the order of the folders: the long files come first, and short ones fill up the end.
PARALLEL := -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
START_S := $(shell date +%s)
SHELL_SCRIPTS := $(wildcard scripts/*.sh scripts/docker/*.sh) .ci/run ascend310_infer/build.sh
YAML_FILES := $(wildcard *.yaml configs) .yamllint

export VENV TENSORFLOW_VENV PEERS_VENV
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# A stamp is worth nothing when the environment's Python does not run or an installation was interrupted.
ifneq ($(shell $(PY) -c 'print(1)' 2>/dev/null)$(wildcard $(VENV)/.installing),1)
STALE := FORCE
endif
ifneq ($(shell $(TENSORFLOW_VENV)/bin/python -c 'print(1)' 2>/dev/null)$(wildcard $(TENSORFLOW_VENV)/.installing),1)
STALE_TENSORFLOW := FORCE
endif
ifneq ($(shell $(PEERS_VENV)/bin/python -c 'print(1)' 2>/dev/null)$(wildcard $(PEERS_VENV)/.installing),1)
STALE_PEERS := FORCE
endif

$(RUNTIME): requirements.txt constraints.txt $(STALE)
	@bash scripts/make_environment.sh runtime

$(DEV): requirements-dev.txt requirements.txt constraints.txt $(STALE)
	@bash scripts/make_environment.sh dev

$(TENSORFLOW): requirements-tensorflow.txt $(STALE_TENSORFLOW)
	@bash scripts/make_environment.sh tensorflow

$(PEERS): requirements-peers.txt $(STALE_PEERS)
	@bash scripts/make_environment.sh peers

.PHONY: FORCE
FORCE:

.PHONY: help
help: ## list the targets
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

.PHONY: quickstart
quickstart: $(RUNTIME) ## fetch real text, pre-train a small ALBERT on it, fine-tune it, evaluate it, predict with it
	@rm -rf $(QUICKSTART)/vocabulary $(QUICKSTART)/records $(QUICKSTART)/pretrain $(QUICKSTART)/run
	$(PY) -m src.data.film_reviews --output_dir $(QUICKSTART)/data
	$(PY) train_vocabulary.py --input '$(QUICKSTART)/data/text/*.txt' --output_prefix $(QUICKSTART)/vocabulary/film \
	  --vocab_size 4000
	$(PY) create_pretraining_data.py --input '$(QUICKSTART)/data/text/*.txt' --dupe_factor 5 \
	  --output_dir $(QUICKSTART)/records/pretrain --spm_model_file $(QUICKSTART)/vocabulary/film.model \
	  --max_seq_length 64
	$(PY) create_pretraining_data.py --input '$(QUICKSTART)/data/held_out/*.txt' --dupe_factor 1 \
	  --output_dir $(QUICKSTART)/records/held_out --spm_model_file $(QUICKSTART)/vocabulary/film.model \
	  --max_seq_length 64
	$(PY) run_pretrain.py --overlay configs/quickstart_pretrain.yaml
	$(PY) create_finetuning_data.py --task_name film_reviews --output_dir $(QUICKSTART)/records \
	  --train_file $(QUICKSTART)/data/sentiment/train.tsv --dev_file $(QUICKSTART)/data/sentiment/dev.tsv \
	  --test_file $(QUICKSTART)/data/sentiment/test.tsv --text_a_column sentence --label_column label \
	  --labels negative,positive --spm_model_file $(QUICKSTART)/vocabulary/film.model --max_seq_length 64
	$(PY) run_classifier.py --overlay configs/quickstart.yaml
	$(PY) predict.py fill-mask --run_dir $(QUICKSTART)/pretrain "A warm and funny [MASK]."
	$(PY) predict.py classify --run_dir $(QUICKSTART)/run \
	  "A warm, funny film with wonderful acting." "The plot is dull and the jokes are painfully bad."
	@echo "quickstart: $$(($$(date +%s) - $(START_S))) s"

.PHONY: test
test: $(DEV) ## run all tests
	$(PY) -m pytest $(PARALLEL) $(PYTEST_ARGS)

.PHONY: test-fast
test-fast: $(DEV) ## run the tests that take no more than a few seconds each
	$(PY) -m pytest $(PARALLEL) -m "not slow" $(PYTEST_ARGS)

.PHONY: test-tensorflow
test-tensorflow: $(DEV) $(TENSORFLOW) ## check checkpoints beside a real TensorFlow, in an environment of its own (2 GB)
	TENSORFLOW_PYTHON=$(abspath $(TENSORFLOW_VENV))/bin/python $(PY) -m pytest tests/tensorflow -s $(PYTEST_ARGS)

.PHONY: check lint format-check types layers shell yaml
check: lint format-check types layers shell yaml ## check style, format, types, import layers, shell scripts and yaml files

lint: $(DEV)
	$(PY) -m ruff check .

format-check: $(DEV)
	$(PY) -m ruff format --check .

types: $(DEV)
	$(PY) -m mypy

layers: $(DEV)
	$(PY) $(VENV)/bin/lint-imports

shell: $(DEV)
	$(VENV)/bin/shellcheck --external-sources $(SHELL_SCRIPTS)

yaml: $(DEV)
	$(PY) -m yamllint --strict $(YAML_FILES)

.PHONY: format
format: $(DEV) ## format the Python files and mend what ruff can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: export-check
export-check: $(RUNTIME) ## export the network of make quickstart in every form and answer its dev set with each
	$(PY) -m benchmarks.exported --run_dir $(QUICKSTART)/run

.PHONY: bench
bench: $(RUNTIME) $(PEERS) ## measure speed and memory beside Hugging Face on PyTorch, in an environment of its own (1 GB)
	$(PY) -m benchmarks.contest --peer_python $(abspath $(PEERS_VENV))/bin/python $(BENCH_ARGS)

.PHONY: parity
parity: $(DEV) ## print the largest differences to the reference implementations
	$(PY) -m tests.parity.report

.PHONY: clean
clean: ## remove caches, compiler output and the quickstart folder; keep runs and the environment
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache kernel_meta build $(QUICKSTART)
	rm -rf rank_[0-9]*
	find . -name ".venv*" -prune -o -name __pycache__ -prune -exec rm -rf {} +

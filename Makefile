# The monorepo's verbs, and those of Trainyard's own sources.

include mk/monorepo.mk

DEV := .venv/.stamp-dev
BENCH := .venv/.stamp-bench
BENCHMARKS := bench-serving bench-memory bench-images bench-builds bench-scaffold bench-tuning bench-data bench-retrain bench-ci profile-serving
.PHONY: demo test lint format $(BENCHMARKS)

demo: $(SETUP) ## set up, build, train, serve and ask the finance models; KEEP=1 leaves the server running
	@$(RUN) demo projects/finance_income_prediction/all

# Bytecode is written whatever the environment says: else each worker compiles every file of tests again.
test: $(DEV) ## quick tests; CI=1: every test that can run here, but nightly ones; TESTS=tests/... for some of them
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(DEV) ## ruff, mypy, shellcheck
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	@command -v shellcheck >/dev/null || { echo 'error: shellcheck is missing: apt-get install shellcheck' >&2; exit 2; }
	git ls-files '*.sh' ':!tests/historical/monorepo' 'builders/*/s2i/bin/*' 'builders/*/test/run' .ci/run bin/s2i | xargs shellcheck -x

format: $(DEV) ## ruff's formatting and fixes, and the files that are generated from tables
	$(VENV)/bin/python -m tools.make_files
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench-serving: ## against other servers: a table and a picture; OPTIONS=--help
bench-memory: ## memory of four models in one server, by workers; OPTIONS=--help
bench-images: ## image size, cold start and memory of each model, compiled and pickled; OPTIONS=--help
bench-builds: $(SETUP) ## builds, against the real s2i with a classic assemble script; OPTIONS=--help
bench-scaffold: ## from an empty folder to the first answer, beside other tools' quick starts; OPTIONS=--help
bench-tuning: ## a trial of make tune beyond its train function, against a container each; OPTIONS=--help
bench-data: ## fetching from a store of objects, against rclone and the AWS command line; OPTIONS=--help
bench-retrain: ## the retrain service: its answers while it trains, from POST to the new champion; OPTIONS=--help
bench-ci: $(VENV)/.stamp-experiments ## what a change costs in CI, against building, training and pushing all; OPTIONS=--help
profile-serving: ## where the microseconds of a request go; OPTIONS=--help

$(BENCHMARKS): $(BENCH)
	$(VENV)/bin/python -m bench.$(subst -,_,$(@:bench-%=%)) $(OPTIONS)

$(DEV) $(BENCH): .venv/.stamp-%: pyproject.toml
	@sh mk/setup.sh . $*

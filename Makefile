# Front door. Everything below it is found by its name: projects/<project>/<model>/Makefile.

include mk/setup.mk

LEAVES := $(wildcard projects/*/*/Makefile)
BASE := projects
MEMBERS := $(patsubst projects/%/Makefile,%,$(filter-out %/all/Makefile,$(LEAVES)))
include mk/members.mk

# The merged images: of every project that has an all/, and of everything.
MERGED := $(subst /,+,$(patsubst %/Makefile,merge+%,$(wildcard projects/*/all/Makefile all/Makefile)))
LEAF_VERBS := build-train train tune build-predict predict test-endpoint logs shell train-local predict-local show sbom promote rollback
TOP_VERBS := predict-all test-all create-routes
DEV := .venv/.stamp-dev
BENCH := .venv/.stamp-bench

.PHONY: help list affected builders wheelhouse lock demo test lint bench-serving bench-memory bench-images bench-builds bench-tuning profile-serving build-all train-all stop audit clean runs run-show compare report experiment dvc track track-stop track-sync prune format $(MERGED) $(LEAF_VERBS) $(TOP_VERBS)

help: ## this list
	$(call SHOW_HELP,Makefile)
	@printf '\nOne model: make <verb> MODEL=<project>/<model>; `make help MODEL=...` lists its verbs.\n'

list: $(SETUP) ## a table: project, model, routes, binaries, images
	@$(RUN) list .

affected: $(SETUP) ## the models that changed since the git ref SINCE, as JSON for a CI matrix
	@$(RUN) affected .

builders: $(SETUP) ## the builder images trainyard/base, trainyard/image/train, trainyard/daemon
	@$(RUN) builders .

track: $(EXTRA) ## the MLflow server on TRACK_PORT (5007), until Ctrl-C; DETACH=1 returns when it is ready
	@$(RUN) track .

track-stop: $(SETUP) ## stop that server
	@$(RUN) track-stop .

track-sync: $(EXTRA) ## upload to the tracker what it does not have of the runs
	@$(RUN) track-sync .

dvc: $(SETUP) ## write dvc.yaml of every project: a stage for each model
	@$(RUN) dvc .

prune: $(SETUP) ## remove dependencies that no image is built on any more; make -n prune shows them
	@$(RUN) prune .

wheelhouse: $(SETUP) ## download what every lock names into the folder WHEELHOUSE, for builds without a network
	@$(RUN) wheelhouse .

demo: $(SETUP) ## set up, build, train, serve and ask the finance models; KEEP=1 leaves the server running
	@$(RUN) demo projects/finance_income_prediction/all

test: $(DEV) ## every test that can run here; TESTS=tests/... for some of them
	$(VENV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(DEV) ## ruff, mypy, shellcheck
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	@command -v shellcheck >/dev/null || { echo 'error: shellcheck is missing: apt-get install shellcheck' >&2; exit 2; }
	git ls-files '*.sh' ':!tests/historical/monorepo' 'builders/*/s2i/bin/*' 'builders/*/test/run' .ci/run bin/s2i | xargs shellcheck -x

bench-serving: $(BENCH) ## against other servers: a table and a picture; OPTIONS=--help
	$(VENV)/bin/python -m bench.serving $(OPTIONS)

bench-memory: $(BENCH) ## memory of four models in one server, by workers; OPTIONS=--help
	$(VENV)/bin/python -m bench.memory $(OPTIONS)

bench-images: $(BENCH) ## image size, cold start and memory of each model, compiled and pickled; OPTIONS=--help
	$(VENV)/bin/python -m bench.images $(OPTIONS)

bench-builds: $(SETUP) $(BENCH) ## builds, against the real s2i with a classic assemble script; OPTIONS=--help
	$(VENV)/bin/python -m bench.builds $(OPTIONS)

bench-tuning: $(BENCH) ## a trial of make tune beyond its train function, against a container each; OPTIONS=--help
	$(VENV)/bin/python -m bench.tuning $(OPTIONS)

profile-serving: $(BENCH) ## where the microseconds of a request go; OPTIONS=--help
	$(VENV)/bin/python -m bench.profile_serving $(OPTIONS)

format: $(DEV) ## ruff's formatting and mends
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

train-all: $(TRAIN) ## build and run the train image of every model
build-all: $(SETUP) ## build what changed: the images of each model, each project's all/, and all/
	@$(RUN) build-all .
predict-all: ## serve every model of every project on PORT (5111)
test-all: ## post every model's sample to that server
create-routes: ## generate the files of all/

$(MERGED): merge+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(subst +,/,$*)" build-image

$(TOP_VERBS): $(SETUP)
	@$(MAKE) --no-print-directory -C all $@

ifeq ($(MODEL),)
stop: $(SETUP) ## stop every server of ours
	@$(RUN) stop-everything .

clean: $(SETUP) ## stop, and remove every model's images, generated files and .trainyard/; binaries in models/ stay; ALL=1: leave nothing of us
	@$(RUN) clean-everything .

lock: $(SETUP) ## resolve the requirements of every model whose locks are missing or stale, write both lock files
	@$(RUN) lock-all .

runs: $(SETUP) ## a table of the runs of every model; SORT=<metric>, ALL=1, FORMAT=json or csv for programs
	@$(RUN) runs .

run-show: $(SETUP) ## everything about the run ID, or the latest
	@$(RUN) run-show .

experiment: $(SETUP) ## train, or tune, what the file CONFIG describes
	@$(RUN) experiment .

compare: $(SETUP) ## parameters and metrics of the runs in ID="<run> <run>" side by side, and a page of them
	@$(RUN) compare .

report: $(SETUP) ## draw the report of the run ID, or of the latest: runs/<id>/report.html
	@$(RUN) report .

audit: $(SETUP) ## look for credentials in every image: environment, history, every layer
	@$(RUN) audit-everything .

$(LEAF_VERBS):
	@echo 'error: which model? make $@ MODEL=<project>/<model>; make list shows them' >&2; exit 2
else
ifeq ($(wildcard projects/$(MODEL)/Makefile),)
$(error MODEL=$(MODEL): no such model; there are: $(MEMBERS))
endif
stop audit clean lock runs run-show compare report experiment $(LEAF_VERBS):
	@$(MAKE) --no-print-directory -C "projects/$(MODEL)" $@ MODEL=
endif

$(DEV) $(BENCH): .venv/.stamp-%: pyproject.toml
	@sh mk/setup.sh . $*

# Front door. Everything below it is found by its name: projects/<project>/<model>/Makefile.

include mk/setup.mk

LEAVES := $(wildcard projects/*/*/Makefile)
BASE := projects
MEMBERS := $(patsubst projects/%/Makefile,%,$(filter-out %/all/Makefile,$(LEAVES)))
include mk/members.mk
include mk/top-verbs.mk

# The merged images: of every project that has an all/, and of everything.
MERGED := $(subst /,+,$(patsubst %/Makefile,merge+%,$(wildcard projects/*/all/Makefile all/Makefile)))
DEV := .venv/.stamp-dev
BENCH := .venv/.stamp-bench

.PHONY: $(MERGED)

# Bytecode is written whatever the environment says: else each worker compiles every file of tests again.
test: $(DEV)
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(DEV)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	@command -v shellcheck >/dev/null || { echo 'error: shellcheck is missing: apt-get install shellcheck' >&2; exit 2; }
	git ls-files '*.sh' ':!tests/historical/monorepo' 'builders/*/s2i/bin/*' 'builders/*/test/run' .ci/run bin/s2i | xargs shellcheck -x

bench-serving: $(BENCH)
	$(VENV)/bin/python -m bench.serving $(OPTIONS)

bench-memory: $(BENCH)
	$(VENV)/bin/python -m bench.memory $(OPTIONS)

bench-images: $(BENCH)
	$(VENV)/bin/python -m bench.images $(OPTIONS)

bench-builds: $(SETUP) $(BENCH)
	$(VENV)/bin/python -m bench.builds $(OPTIONS)

bench-tuning: $(BENCH)
	$(VENV)/bin/python -m bench.tuning $(OPTIONS)

profile-serving: $(BENCH)
	$(VENV)/bin/python -m bench.profile_serving $(OPTIONS)

format: $(DEV)
	$(VENV)/bin/python -m tools.make_files
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

train-all: $(TRAIN)

$(MERGED): merge+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(subst +,/,$*)" build-image

predict-all test-all create-routes: $(SETUP)
	@$(MAKE) --no-print-directory -C all $@

ifeq ($(MODEL),)
help:
	$(call SHOW_HELP,mk/top-verbs.mk)
	@printf '\nOne model: make <verb> MODEL=<project>/<model>; `make help MODEL=...` lists its verbs.\n'

$(filter-out $(VERBS),$(MODEL_VERBS)):
	@echo 'error: which model? make $@ MODEL=<project>/<model>; make list shows them' >&2; exit 2
else
ifeq ($(wildcard projects/$(MODEL)/Makefile),)
$(error MODEL=$(MODEL): no such model; there are: $(MEMBERS))
endif
$(MODEL_VERBS):
	@$(MAKE) --no-print-directory -C "projects/$(MODEL)" $@ MODEL=
endif

$(DEV) $(BENCH): .venv/.stamp-%: pyproject.toml
	@sh mk/setup.sh . $*

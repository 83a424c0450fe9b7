# The top of a monorepo. Everything below it is found by its name: projects/<project>/<model>/Makefile. The Makefile that
# includes this may have targets of its own: those with `## help` are listed by `make help`.

# Known here alone: in a model's folder DATASET is a misspelt DATASET_NAME.
OF_TOP = $(SCAFFOLD) $(RETRAIN_CLIENT) $(NEW_COMPUTE) $(CI_SETTINGS)
include $(dir $(lastword $(MAKEFILE_LIST)))setup.mk

LEAVES := $(wildcard projects/*/*/Makefile)
BASE := projects
MEMBERS := $(patsubst projects/%/Makefile,%,$(filter-out %/all/Makefile,$(LEAVES)))
include $(MK)/members.mk
include $(MK)/top-verbs.mk

# The merged images: of every project that has an all/, and of everything.
MERGED := $(subst /,+,$(patsubst %/Makefile,merge+%,$(wildcard projects/*/all/Makefile all/Makefile)))
.PHONY: $(MERGED)

train-all: $(TRAIN)

$(MERGED): merge+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(subst +,/,$*)" build-image

predict-all test-all create-routes: $(SETUP)
	@$(MAKE) --no-print-directory -C all $@

ifeq ($(MODEL),)
help:
	$(call SHOW_HELP,"$(MK)/top-verbs.mk" Makefile)
	@printf '\nOne model: make <verb> MODEL=<project>/<model>; `make help MODEL=...` lists its verbs.\n'

$(filter-out $(VERBS),$(MODEL_VERBS)):
	@echo 'error: which model? make $@ MODEL=<project>/<model>; make list shows them' >&2; exit 2
else
# These say by themselves what is there: a model that is half renamed has no directory of its old name.
ifeq ($(or $(wildcard projects/$(MODEL)/Makefile),$(filter rename remove ci-report,$(MAKECMDGOALS))),)
$(error MODEL=$(MODEL): no such model; there are: $(MEMBERS))
endif
$(MODEL_VERBS):
	@$(MAKE) --no-print-directory -C "projects/$(MODEL)" $@ MODEL=
endif

# The verbs of an all/ directory: of a project (merges its models) or at the top (merges every project's models).
# Its Makefile sets CONTAINER_NAME, and MODEL_DIRS where not everything there is shall be merged, and includes this.

include $(dir $(lastword $(MAKEFILE_LIST)))setup.mk

ifeq ($(CONTAINER_NAME),)
$(error $(CURDIR)/Makefile: CONTAINER_NAME is missing; add a line CONTAINER_NAME := ...)
endif

# In a project MODEL_DIRS names models; at the top, beside mk/, it names projects.
ifeq ($(wildcard ../mk/model.mk),)
BASE := ..
MODEL_DIRS ?= *
LEAVES := $(wildcard $(MODEL_DIRS:%=../%/Makefile))
else
BASE := ../projects
MODEL_DIRS ?= *
LEAVES := $(wildcard $(MODEL_DIRS:%=../projects/%/*/Makefile))
endif
MEMBERS := $(patsubst $(BASE)/%/Makefile,%,$(filter-out %/all/Makefile,$(LEAVES)))
include $(ROOT)/mk/members.mk

VERBS := create-routes predict-all test-all stop-all logs-all sbom-all audit-all clean-all
.PHONY: help train-all build-all build-image stop logs sbom audit clean $(VERBS)

help: ## this list
	$(call SHOW_HELP,"$(ROOT)/mk/all.mk")

train-all: $(TRAIN) ## build and run every train image
build-all: $(SETUP) ## build what changed: the images of the members, and the merged one
	@$(RUN) build-all .
build-image: $(SETUP) ## build the merged image alone
	@$(RUN) build-all-image .
predict-all: ## build the merged image, serve it on PORT (5111); DETACH=1 returns when it is ready
test-all: ## post every member's sample, show the answers, fail on anything but good ones
create-routes: ## generate .s2i/environment, predict.py, requirements.txt and setup.sh
stop: stop-all ## stop the server
logs: logs-all ## the log of a server started with DETACH=1; FOLLOW=1 stays
sbom: sbom-all ## the bill of materials of the merged image: .trainyard/sbom/<image>.cdx.json
audit: audit-all ## look for credentials in the merged image
clean: clean-all ## remove the merged image and the generated files

$(VERBS): $(SETUP)
	@$(RUN) $@ .

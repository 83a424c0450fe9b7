# The verbs of a model directory. A leaf Makefile sets MODEL_NAME, DATASET_NAME and CONTAINER_NAME, and includes this.

# Whatever the leaf has set so far came from its file.
LEAF := $(foreach name,$(.VARIABLES),$(if $(filter file,$(origin $(name))),$(name)))
include $(dir $(lastword $(MAKEFILE_LIST)))setup.mk

MISSPELT := $(filter-out $(MODEL_VARIABLES) MAKEFILE_LIST .% MAKE% SHELL CURDIR SUFFIXES,$(LEAF))
ifneq ($(MISSPELT),)
$(error $(CURDIR)/Makefile: unknown variable $(firstword $(MISSPELT)); a model has $(MODEL_VARIABLES))
endif
ABSENT := $(strip $(foreach name,$(MODEL_VARIABLES),$(if $($(name)),,$(name))))
ifneq ($(ABSENT),)
$(error $(CURDIR)/Makefile: $(firstword $(ABSENT)) is missing; add a line $(firstword $(ABSENT)) := ...)
endif

ifneq ($(MODEL),)
$(error MODEL=$(MODEL) is for the top of the monorepo; here the model is $(notdir $(CURDIR)))
endif

VERBS := build-train train tune experiment build-predict predict test-endpoint stop logs shell train-local predict-local lock show sbom audit runs run-show compare report promote rollback clean
.PHONY: help $(VERBS)

help: ## this list
	$(call SHOW_HELP,"$(ROOT)/mk/model.mk")

build-train: ## build the train image
build-predict: ## build the predict image
train: ## train: models/$(MODEL_NAME).pkl, its record, and a run in runs/
tune: $(EXTRA) ## search for the parameters that config.yaml has to tune, train with the best; TRIALS=, WORKERS=, RESUME=1
experiment: ## train, or tune, what the file CONFIG describes
predict: ## serve on PORT (5111); DETACH=1 returns when it is ready
test-endpoint: ## post test/test_instances.json, show the answer, fail on anything but a good one
stop: ## stop the server
logs: ## the log of a server started with DETACH=1; FOLLOW=1 stays
shell: ## a shell in the predict image
train-local: ## train without containers
predict-local: ## serve without containers
lock: ## resolve the requirements, write both lock files
show: ## every value and where it came from
sbom: ## the bill of materials of both images: .trainyard/sbom/<image>.cdx.json
audit: ## look for credentials in both images: environment, history, every layer
runs: ## a table of the runs; SORT=<metric>, ALL=1, FORMAT=json or csv for programs
run-show: ## everything about the run ID, or the latest
compare: ## parameters and metrics of the runs in ID="<run> <run>" side by side, and a page of them
report: ## draw the report of the run ID, or of the latest: runs/<id>/report.html
promote: $(EXTRA) ## the model of the latest run (or ID, or VERSION) becomes the champion, if it is better; FORCE=1
rollback: $(EXTRA) ## the champion before this one is the champion again
clean: ## remove the images; binaries in models/ stay

predict predict-local: $(if $(VERSION),$(EXTRA)) # the registry's client

$(VERBS): $(SETUP)
	@$(RUN) $@ .

# The verbs of a model directory. A leaf Makefile sets MODEL_NAME, DATASET_NAME and CONTAINER_NAME, and includes this.

# Whatever the leaf has set so far came from its file.
LEAF := $(foreach name,$(.VARIABLES),$(if $(filter file,$(origin $(name))),$(name)))
include $(dir $(lastword $(MAKEFILE_LIST)))setup.mk

MISSPELT := $(filter-out $(MODEL_VARIABLES) MAKEFILE_LIST TRAINYARD_% .% MAKE% SHELL CURDIR SUFFIXES,$(LEAF))
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

include $(MK)/model-verbs.mk

help:
	$(call SHOW_HELP,"$(MK)/model-verbs.mk")

predict predict-local: $(if $(VERSION),$(EXTRA)) # the registry's client

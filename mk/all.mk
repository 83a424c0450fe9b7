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
include $(MK)/members.mk
include $(MK)/all-verbs.mk

help:
	$(call SHOW_HELP,"$(MK)/all-verbs.mk")

train-all: $(TRAIN)

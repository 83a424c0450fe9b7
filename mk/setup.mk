# Common to every Makefile: where the monorepo is, how the package is called, which variables may be set.
# Included by monorepo.mk, model.mk and all.mk.

# Relative, so that a monorepo in a folder with a space in its name works: make splits its file names at spaces.
MK := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
# A monorepo that has an installed Trainyard says where it is (templates/monorepo/mk/trainyard.mk); else this is a clone.
INSTALLED := $(filter file,$(origin TRAINYARD_ROOT))
ROOT := $(if $(INSTALLED),$(TRAINYARD_ROOT),$(MK)/..)
PIN := $(ROOT)/$(if $(INSTALLED),trainyard.toml,pyproject.toml)
VENV := $(ROOT)/.venv
SETUP := $(VENV)/.stamp

include $(MK)/settings.mk
MODEL_VARIABLES := MODEL_NAME DATASET_NAME CONTAINER_NAME
KNOWN := $(MODEL_VARIABLES) MODEL_DIRS MODEL TESTS OPTIONS PYTHON $(SETTINGS) $(SERVER) $(EXPERIMENTS) $(COMPUTE_SETTINGS) $(REGISTRY_SETTINGS) $(DATA) $(RETRAIN) $(PACKAGES) $(OF_TOP) __BASH_MAKE_COMPLETION__

# A misspelt name must not be ignored in silence. Each is the value of a name given on the command line.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out $(KNOWN) -%,$(GIVEN))
ifneq ($(UNKNOWN),)
$(error unknown variable $(firstword $(UNKNOWN)) on the command line; known: $(KNOWN))
endif

# A payload is JSON, in which `$$ref` is a name; a column may be called `$$`: as typed, not as make would expand it.
define AS_TYPED
override $(1) := $$(value $(1))
export $(1)
endef
$(foreach name,$(filter PAYLOAD $(SCAFFOLD) $(PACKAGES),$(GIVEN)),$(eval $(call AS_TYPED,$(name))))

# The package reads the values from the environment; make exports those of its command line by itself.
export TRAINYARD_COMMAND_LINE := $(GIVEN)

# With -n the verbs show what they would run, once there is an environment to ask.
# In a clone the package is this monorepo's, wherever the environment was made; nothing is imported from the model's
# own folder.
# Its bytecode is kept in the environment, also where that is forbidden for all others: an edit does not wait for a compiler.
RUN = $(if $(wildcard $(SETUP)),+)PYTHONPATH="$(if $(INSTALLED),,$(ROOT))" PYTHONDONTWRITEBYTECODE= TRAINYARD_MAKE="$(MAKE_COMMAND)" \
	TRAINYARD_JOBS="$(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS)))" \
	"$(VENV)/bin/python" -P -X pycache_prefix="$(VENV)/bytecode" -m trainyard

.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

.PHONY: FORCE
$(SETUP): $(PIN) $(if $(wildcard $(VENV)/bin/python),,FORCE)
	@sh "$(ROOT)/mk/setup.sh" "$(ROOT)"
# Of the verbs that need what others shall not wait for, as MLflow.
$(VENV)/.stamp-%: $(PIN) | $(SETUP)
	@sh "$(ROOT)/mk/setup.sh" "$(ROOT)" $*

# Lists the `target: ## help` lines of the makefiles given, and the settings.
SHOW_HELP = @sed -n 's/^\([a-z][a-z-]*\):.*\#\# \(.*\)/  \1\t\2/p' $(1) | awk -F '\t' '{printf "%-18s %s\n", $$1, $$2}'; \
	printf '\nVariables: $(MODEL_VARIABLES)\n           $(wordlist 1,8,$(SETTINGS)) ... ($(if $(INSTALLED),$(MK)/../)docs/contract.md)\n'

# Finds the Trainyard that ../trainyard.toml names, and installs it into ../.venv where it is not there yet. Written by
# `trainyard init`; `trainyard upgrade` renews this folder.
TRAINYARD_ROOT := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))/..

# Sets TRAINYARD_MK, the folder of its make files. Make makes a file that it includes, then starts again.
$(TRAINYARD_ROOT)/.venv/trainyard.mk: $(TRAINYARD_ROOT)/trainyard.toml
	@sh "$(TRAINYARD_ROOT)/mk/setup.sh" "$(TRAINYARD_ROOT)"
include $(TRAINYARD_ROOT)/.venv/trainyard.mk

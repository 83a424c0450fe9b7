include $(dir $(lastword $(MAKEFILE_LIST)))trainyard.mk
ifdef TRAINYARD_MK
include $(TRAINYARD_MK)/model.mk
endif

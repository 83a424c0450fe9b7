# For each of MEMBERS (model directories below BASE): train+<member> and build+<member>, lists TRAIN and BUILD. Targets
# rather than a shell loop: one failure fails all, and -j works. A slash in a target's name means a folder to make.

TRAIN := $(subst /,+,$(MEMBERS:%=train+%))
BUILD := $(subst /,+,$(MEMBERS:%=build+%))
.PHONY: $(TRAIN) $(BUILD)

# What is given for one model (its names, PAYLOAD, ...) would not fit the others.
$(TRAIN): train+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(BASE)/$(subst +,/,$*)" build-train
	@$(MAKE) --no-print-directory -C "$(BASE)/$(subst +,/,$*)" train

$(BUILD): build+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(BASE)/$(subst +,/,$*)" build-train
	@$(MAKE) --no-print-directory -C "$(BASE)/$(subst +,/,$*)" build-predict

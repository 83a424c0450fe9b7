# For each of MEMBERS (model directories below BASE): train+<member>, list TRAIN; train-image+<member> and
# predict-image+<member>, lists TRAIN_IMAGES and PREDICT_IMAGES, of which `build-all` asks for those that changed. Targets
# rather than a shell loop: one failure fails all, and -j works. A slash in a target's name means a folder to make.

TRAIN := $(subst /,+,$(MEMBERS:%=train+%))
TRAIN_IMAGES := $(subst /,+,$(MEMBERS:%=train-image+%))
PREDICT_IMAGES := $(subst /,+,$(MEMBERS:%=predict-image+%))
.PHONY: $(TRAIN) $(TRAIN_IMAGES) $(PREDICT_IMAGES)

# What is given for one model (its names, PAYLOAD, ...) would not fit the others.
$(TRAIN): train+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(BASE)/$(subst +,/,$*)" train

$(TRAIN_IMAGES): train-image+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(BASE)/$(subst +,/,$*)" build-train

$(PREDICT_IMAGES): predict-image+%: $(SETUP)
	@$(MAKE) --no-print-directory -C "$(BASE)/$(subst +,/,$*)" build-predict

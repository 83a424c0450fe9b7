# Written by `python -m tools.make_files` from trainyard/host/verbs/verb_table.py: change it there.

VERBS := help train-all build-all build-image predict-all test-all create-routes stop logs sbom audit push clean
.PHONY: $(VERBS)

help: ## this list

train-all: ## build and run every train image

build-all: $(SETUP) ## build what changed: the images of the members, and the merged one
	@$(RUN) build-all .

build-image: $(SETUP) ## build the merged image alone
	@$(RUN) build-image .

predict-all: $(SETUP) ## build the merged image, serve it on PORT (5111); DETACH=1 returns when it is ready
	@$(RUN) predict-all .

test-all: $(SETUP) ## post every member's sample, show the answers, fail on anything but good ones
	@$(RUN) test-all .

create-routes: $(SETUP) ## generate .s2i/environment, predict.py, requirements.txt and setup.sh
	@$(RUN) create-routes .

stop: $(SETUP) ## stop the server
	@$(RUN) stop .

logs: $(SETUP) ## the log of a server started with DETACH=1; FOLLOW=1 stays
	@$(RUN) logs .

sbom: $(SETUP) ## the bill of materials of the merged image: .trainyard/sbom/<image>.cdx.json
	@$(RUN) sbom .

audit: $(SETUP) ## look for credentials in the merged image
	@$(RUN) audit .

push: $(SETUP) ## push the merged image to REGISTRY=<host:port/path>, or COMPUTE's, tagged by the git commit
	@$(RUN) push .

clean: $(SETUP) ## remove the merged image and the generated files
	@$(RUN) clean .

# Written by `python -m tools.make_files` from trainyard/host/verbs/verb_table.py: change it there.

VERBS := help check update-model build-train build-predict configure prepare train tune experiment predict test-endpoint stop logs shell package train-local predict-local lock modernize show sbom audit push runs attach cancel run-show reproduce compare report promote rollback clean
.PHONY: $(VERBS)

help: ## this list

check: $(SETUP) ## every mistake of the model directory that can be seen without building it
	@$(RUN) check .

update-model: $(SETUP) ## merge what this version's templates changed into a model that make new-model wrote
	@$(RUN) update-model .

build-train: $(SETUP) ## build the train image
	@$(RUN) build-train .

build-predict: $(SETUP) ## build the predict image
	@$(RUN) build-predict .

configure: $(SETUP) ## write training: of config.yaml: where training data and results are; asks for what is not given
	@$(RUN) configure .

prepare: $(SETUP) ## for a training package: make what is missing, upload sample data where there is none, pack the code
	@$(RUN) prepare .

train: $(SETUP) ## train: models/$(MODEL_NAME).pkl, its record, and a run in runs/
	@$(RUN) train .

tune: $(VENV)/.stamp-experiments ## search for the parameters that config.yaml has to tune, train with the best; TRIALS=, WORKERS=, RESUME=1
	@$(RUN) tune .

experiment: $(SETUP) ## train, or tune, what the file CONFIG describes
	@$(RUN) experiment .

predict: $(SETUP) ## serve on PORT (5111); DETACH=1 returns when it is ready
	@$(RUN) predict .

test-endpoint: $(SETUP) ## post test/test_instances.json, show the answer, fail on anything but a good one
	@$(RUN) test-endpoint .

stop: $(SETUP) ## stop the server
	@$(RUN) stop .

logs: $(SETUP) ## the log of a server that DETACH=1 started, or of the run ID; FOLLOW=1 stays
	@$(RUN) logs .

shell: $(SETUP) ## a shell in the predict image
	@$(RUN) shell .

package: $(SETUP) ## train; the log and <model>-trained.tar.gz are here then, and in training.results of config.yaml
	@$(RUN) package .

train-local: $(SETUP) ## train without containers
	@$(RUN) train-local .

predict-local: $(SETUP) ## serve without containers
	@$(RUN) predict-local .

lock: $(SETUP) ## resolve the requirements, write both lock files
	@$(RUN) lock .

modernize: $(SETUP) ## move pins that the images have no wheel of to the nearest version that has one, then lock
	@$(RUN) modernize .

show: $(SETUP) ## every value and where it came from
	@$(RUN) show .

sbom: $(SETUP) ## the bill of materials of both images: .trainyard/sbom/<image>.cdx.json
	@$(RUN) sbom .

audit: $(SETUP) ## look for credentials in both images: environment, history, every layer
	@$(RUN) audit .

push: $(SETUP) ## push both images to REGISTRY=<host:port/path>, or COMPUTE's, tagged by the git commit
	@$(RUN) push .

runs: $(SETUP) ## a table of the runs; SORT=<metric>, ALL=1, FORMAT=json or csv for programs
	@$(RUN) runs .

attach: $(VENV)/.stamp-experiments ## return to the run ID, or the latest, which was left on its compute
	@$(RUN) attach .

cancel: $(SETUP) ## end the run ID, or the latest, on its compute
	@$(RUN) cancel .

run-show: $(SETUP) ## everything about the run ID, or the latest
	@$(RUN) run-show .

reproduce: $(SETUP) ## train the run ID, or the latest, again from what it was made of; fails unless all metrics are equal
	@$(RUN) reproduce .

compare: $(SETUP) ## parameters and metrics of the runs in ID="<run> <run>" side by side, and a page of them
	@$(RUN) compare .

report: $(SETUP) ## draw the report of the run ID, or of the latest: runs/<id>/report.html
	@$(RUN) report .

promote: $(VENV)/.stamp-experiments ## the model of the latest run (or ID, or VERSION) becomes the champion, if it is better; FORCE=1
	@$(RUN) promote .

rollback: $(VENV)/.stamp-experiments ## the champion before this one is the champion again
	@$(RUN) rollback .

clean: $(SETUP) ## remove the images; binaries in models/ stay
	@$(RUN) clean .

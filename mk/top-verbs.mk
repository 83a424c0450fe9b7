# Written by `python -m tools.make_files` from trainyard/host/verbs/verb_table.py: change it there.

VERBS := help list check import affected ci-build ci-test ci-files ci-report ci-train ci-promote builders track track-stop track-sync retrain-service retrain-stop retrain retrain-token track-image retrain-image compute-add computes datastore-add datastores data-list data-pull data-push dvc prune wheelhouse adopt rename remove new-project new-model update-models train-all build-all predict-all test-all create-routes experiment stop logs lock audit push runs attach cancel run-show reproduce compare report clean
.PHONY: $(VERBS)
MODEL_VERBS := help check update-model build-train build-predict configure prepare train tune experiment predict test-endpoint stop logs shell package train-local predict-local lock modernize show sbom audit push runs attach cancel run-show reproduce compare report promote rollback clean
.PHONY: $(MODEL_VERBS)

list: $(SETUP) ## a table: project, model, routes, binaries, images
	@$(RUN) list .

import: $(SETUP) ## bring models of another layout or tool from FROM (a folder, a git URL) below projects/
	@$(RUN) import .

affected: $(SETUP) ## the models that changed since the git ref SINCE, as JSON for a CI matrix
	@$(RUN) affected .

ci-build: $(SETUP) ## build the images of the models that changed since SINCE
	@$(RUN) ci-build .

ci-test: $(SETUP) ## serve the models that changed since SINCE, and post their samples
	@$(RUN) ci-test .

ci-files: $(SETUP) ## write the workflow files of CI=github,gitlab, or of one of them
	@$(RUN) ci-files .

ci-report: $(SETUP) ## Markdown for a pull request: what the change since SINCE does to models; MODEL=, REPORT=
	@$(RUN) ci-report .

ci-train: $(VENV)/.stamp-experiments ## where the last commit begins with [train] or [tune]: do that, push what came of it; REPORT=
	@$(RUN) ci-train .

ci-promote: $(VENV)/.stamp-experiments ## what was trained for this branch competes with the champions, once
	@$(RUN) ci-promote .

builders: $(SETUP) ## the builder images trainyard/base, trainyard/train, trainyard/daemon
	@$(RUN) builders .

track: $(VENV)/.stamp-experiments ## the MLflow server on TRACK_PORT (5007), until Ctrl-C; DETACH=1 returns when it is ready
	@$(RUN) track .

track-stop: $(SETUP) ## stop that server
	@$(RUN) track-stop .

track-sync: $(VENV)/.stamp-experiments ## upload to the tracker what it does not have of the runs
	@$(RUN) track-sync .

retrain-service: $(VENV)/.stamp-retrain ## take jobs on RETRAIN_PORT (5005): models are trained again on request; DETACH=1
	@$(RUN) retrain-service .

retrain-stop: $(VENV)/.stamp-retrain ## stop that service; jobs that run begin again with the next one
	@$(RUN) retrain-stop .

retrain: $(SETUP) ## ask that service to train MODEL again; COMMIT=, DEPLOY=1; WAIT=1 stays until it is over
	@$(RUN) retrain .

retrain-token: $(VENV)/.stamp-retrain ## print a token of that service for NAME; SCOPE=, EXPIRES= (0 revokes it)
	@$(RUN) retrain-token .

track-image: $(SETUP) ## the image trainyard/track: the server of make track for a container engine
	@$(RUN) track-image .

retrain-image: $(SETUP) ## the image trainyard/retrain: the service of make retrain-service, without a socket
	@$(RUN) retrain-image .

compute-add: $(SETUP) ## add the compute NAME of KIND (ssh, kubernetes, slurm, local) to compute.yaml
	@$(RUN) compute-add .

computes: $(SETUP) ## a table of the computes: reachable or why not, what runs there, what is free
	@$(RUN) computes .

datastore-add: $(SETUP) ## add the data store NAME at URL to datastores.yaml, once it has answered
	@$(RUN) datastore-add .

datastores: $(SETUP) ## a table of the data stores: reachable or why not, files, bytes, newest file
	@$(RUN) datastores .

data-list: $(SETUP) ## what the data store STORE has in the folder AT
	@$(RUN) data-list .

data-pull: $(SETUP) ## fetch FROM=<store>:<path>, or what every model trains on; TO= copies it into a folder
	@$(RUN) data-pull .

data-push: $(SETUP) ## put the file or folder FROM to TO=<store>:<path>; FORCE=1 overwrites
	@$(RUN) data-push .

dvc: $(SETUP) ## write dvc.yaml of every project: a stage for each model
	@$(RUN) dvc .

prune: $(SETUP) ## remove dependencies that no image has, and what is left on computes; make -n prune shows them
	@$(RUN) prune .

wheelhouse: $(SETUP) ## download what every lock names into the folder WHEELHOUSE, for builds without a network
	@$(RUN) wheelhouse .

adopt: $(SETUP) ## a model directory that serves the fitted model of MODEL_FILE, with rows like those of DATASET
	@$(RUN) adopt .

rename: $(SETUP) ## rename MODEL to TO, with all that belongs to it; make -n rename shows it
	@$(RUN) rename .

remove: $(SETUP) ## remove MODEL, with all that belongs to it; make -n remove shows it
	@$(RUN) remove .

new-project: $(SETUP) ## the folder of a project: PROJECT=
	@$(RUN) new-project .

new-model: $(SETUP) ## a model written from a table: DATASET=, TARGET=, FRAMEWORK=; asks for what is not given
	@$(RUN) new-model .

update-models: $(SETUP) ## the same for every model that make new-model wrote
	@$(RUN) update-models .

train-all: ## build and run the train image of every model

build-all: $(SETUP) ## build what changed: the images of each model, each project's all/, and all/
	@$(RUN) build-all .

predict-all: ## serve every model of every project on PORT (5111)

test-all: ## post every model's sample to that server

create-routes: ## generate the files of all/

ifeq ($(MODEL),)
help: ## this list

check: $(SETUP) ## every mistake of the model directories that can be seen without building; FORMAT=json or sarif
	@$(RUN) check .

experiment: $(SETUP) ## train, or tune, what the file CONFIG describes
	@$(RUN) experiment .

stop: $(SETUP) ## stop every server of ours
	@$(RUN) stop .

logs: $(SETUP) ## what the run ID has printed, or the latest, here or on a compute; FOLLOW=1 stays
	@$(RUN) logs .

lock: $(SETUP) ## resolve the requirements of every model whose locks are missing or stale, write both lock files
	@$(RUN) lock .

audit: $(SETUP) ## look for credentials in every image: environment, history, every layer
	@$(RUN) audit .

push: $(SETUP) ## push every image to REGISTRY=<host:port/path>, or COMPUTE's; SINCE=<git ref>: what changed
	@$(RUN) push .

runs: $(SETUP) ## a table of the runs of every model; SORT=<metric>, ALL=1, FORMAT=json or csv for programs
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

clean: $(SETUP) ## stop, and remove every model's images, generated files and .trainyard/; binaries in models/ stay; ALL=1: leave nothing of us
	@$(RUN) clean .
endif

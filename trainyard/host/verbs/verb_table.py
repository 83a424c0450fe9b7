"""Every verb, declared once: the command line registers them from here, and ``tools/make_files.py`` writes the lists,
rules and help lines of make and the table of mk/README.md from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


class Where(Flag):
    """Whose Makefile has a target: a model directory's, an ``all/`` folder's, the one at the top of the repository."""

    MODEL = auto()
    ALL = auto()
    TOP = auto()


MODEL, ALL, TOP = Where.MODEL, Where.ALL, Where.TOP
NOWHERE = Where(0)
EXPERIMENTS, RETRAIN = "experiments", "retrain"  # extras


@dataclass(frozen=True)
class Verb:
    """A target of make. One that says something else in another Makefile has a row for each."""

    name: str
    where: Where
    help: str
    calls: str = ""  # module:function below verbs/; empty: the Makefile has a recipe of its own
    of_model: bool = False  # the function takes a model; else a folder
    local: bool = False  # without containers
    extra: str = ""  # of pyproject.toml: what it needs, and other verbs do not wait for


def _model(
    name: str, calls: str, help_text: str, where: Where = MODEL, *, local: bool = False, extra: str = ""
) -> Verb:
    return Verb(name, where, help_text, calls, of_model=True, local=local, extra=extra)


def _by_hand(name: str, help_text: str, where: Where = TOP) -> Verb:
    """A target whose recipe is written in the Makefile."""
    return Verb(name, where, help_text)


# In the order of `make help`.
VERBS = (
    _by_hand("help", "this list", MODEL | ALL | TOP),
    # Of the repository.
    Verb("list", TOP, "a table: project, model, routes, binaries, images", "inventory:list_models"),
    _model("check", "check:check_model", "every mistake of the model directory that can be seen without building it"),
    Verb("check", TOP, "every mistake of the model directories that can be seen without building; FORMAT=json or sarif",
         "check:check_models"),
    Verb("import", TOP, "bring models of another layout or tool from FROM (a folder, a git URL) below projects/",
         "importing:import_into"),
    Verb("affected", TOP, "the models that changed since the git ref SINCE, as JSON for a CI matrix",
         "affected:print_affected"),
    Verb("ci-build", TOP, "build the images of the models that changed since SINCE", "ci:ci_build"),
    Verb("ci-test", TOP, "serve the models that changed since SINCE, and post their samples", "ci:ci_test"),
    Verb("ci-files", TOP, "write the workflow files of CI=github,gitlab, or of one of them", "ci:ci_files"),
    Verb("ci-report", TOP, "Markdown for a pull request: what the change since SINCE does to models; MODEL=, REPORT=",
         "ci:ci_report"),
    Verb("ci-train", TOP, "where the last commit begins with [train] or [tune]: do that, push what came of it; REPORT=",
         "ci:ci_train", extra=EXPERIMENTS),
    Verb("ci-promote", TOP, "what was trained for this branch competes with the champions, once", "ci:ci_promote",
         extra=EXPERIMENTS),
    Verb("builders", TOP, "the builder images trainyard/base, trainyard/train, trainyard/daemon",
         "build:build_builders"),
    Verb("track", TOP, "the MLflow server on TRACK_PORT (5007), until Ctrl-C; DETACH=1 returns when it is ready",
         "track:track", extra=EXPERIMENTS),
    Verb("track-stop", TOP, "stop that server", "track:track_stop"),
    Verb("track-sync", TOP, "upload to the tracker what it does not have of the runs", "track_sync:track_sync",
         extra=EXPERIMENTS),
    Verb("retrain-service", TOP, "take jobs on RETRAIN_PORT (5005): models are trained again on request; DETACH=1",
         "retrain:retrain_service", extra=RETRAIN),
    Verb("retrain-stop", TOP, "stop that service; jobs that run begin again with the next one",
         "retrain:retrain_stop", extra=RETRAIN),
    Verb("retrain", TOP, "ask that service to train MODEL again; COMMIT=, DEPLOY=1; WAIT=1 stays until it is over",
         "retrain:retrain"),
    Verb("retrain-token", TOP, "print a token of that service for NAME; SCOPE=, EXPIRES= (0 revokes it)",
         "retrain:retrain_token", extra=RETRAIN),
    Verb("track-image", TOP, "the image trainyard/track: the server of make track for a container engine",
         "server_images:track_image"),
    Verb("retrain-image", TOP, "the image trainyard/retrain: the service of make retrain-service, without a socket",
         "server_images:retrain_image"),
    Verb("retrain-job", NOWHERE, "carry out the job ID; the service starts it", "retrain:retrain_job",
         extra=RETRAIN),
    Verb("compute-add", TOP, "add the compute NAME of KIND (ssh, kubernetes, slurm, local) to compute.yaml",
         "computes:compute_add"),
    Verb("computes", TOP, "a table of the computes: reachable or why not, what runs there, what is free",
         "computes:computes"),
    Verb("datastore-add", TOP, "add the data store NAME at URL to datastores.yaml, once it has answered",
         "datastores:datastore_add"),
    Verb("datastores", TOP, "a table of the data stores: reachable or why not, files, bytes, newest file",
         "datastores:datastores"),
    Verb("data-list", TOP, "what the data store STORE has in the folder AT", "datastores:data_list"),
    Verb("data-pull", TOP, "fetch FROM=<store>:<path>, or what every model trains on; TO= copies it into a folder",
         "datastores:data_pull"),
    Verb("data-push", TOP, "put the file or folder FROM to TO=<store>:<path>; FORCE=1 overwrites",
         "datastores:data_push"),
    Verb("dvc", TOP, "write dvc.yaml of every project: a stage for each model", "dvc:write_pipelines"),
    Verb("prune", TOP, "remove dependencies that no image has, and what is left on computes; make -n prune shows them",
         "prune:prune"),
    Verb("wheelhouse", TOP, "download what every lock names into the folder WHEELHOUSE, for builds without a network",
         "wheelhouse:fill_wheelhouse"),
    Verb("adopt", TOP, "a model directory that serves the fitted model of MODEL_FILE, with rows like those of DATASET",
         "adopt:adopt"),
    Verb("rename", TOP, "rename MODEL to TO, with all that belongs to it; make -n rename shows it", "manage:rename"),
    Verb("remove", TOP, "remove MODEL, with all that belongs to it; make -n remove shows it", "manage:remove"),
    Verb("demo", NOWHERE, "set up, build, train, serve and ask the models of an all/", "demo:demo"),
    Verb("new-project", TOP, "the folder of a project: PROJECT=", "new_model:new_project"),
    Verb("new-model", TOP, "a model written from a table: DATASET=, TARGET=, FRAMEWORK=; asks for what is not given",
         "new_model:new_model"),
    _model("update-model", "update_model:update_one",
           "merge what this version's templates changed into a model that make new-model wrote"),
    Verb("update-models", TOP, "the same for every model that make new-model wrote", "update_model:update_all"),
    # Of several models.
    _by_hand("train-all", "build and run every train image", ALL),
    _by_hand("train-all", "build and run the train image of every model"),
    Verb("build-all", ALL, "build what changed: the images of the members, and the merged one",
         "build_all:build_changed"),
    Verb("build-all", TOP, "build what changed: the images of each model, each project's all/, and all/",
         "build_all:build_changed"),
    Verb("build-image", ALL, "build the merged image alone", "build:build_all_image"),
    Verb("predict-all", ALL, "build the merged image, serve it on PORT (5111); DETACH=1 returns when it is ready",
         "predict:predict_all"),
    _by_hand("predict-all", "serve every model of every project on PORT (5111)"),
    Verb("test-all", ALL, "post every member's sample, show the answers, fail on anything but good ones",
         "test_endpoint:test_all"),
    _by_hand("test-all", "post every model's sample to that server"),
    Verb("create-routes", ALL, "generate .s2i/environment, predict.py, requirements.txt and setup.sh",
         "build:create_routes"),
    _by_hand("create-routes", "generate the files of all/"),
    # Of a model, and what is its like for several.
    _model("build-train", "build:build_train", "build the train image"),
    _model("build-predict", "build:build_predict", "build the predict image"),
    _model("configure", "packaging:configure",
           "write training: of config.yaml: where training data and results are; asks for what is not given"),
    _model("prepare", "packaging:prepare",
           "for a training package: make what is missing, upload sample data where there is none, pack the code"),
    _model("train", "train:train", "train: models/$(MODEL_NAME).pkl, its record, and a run in runs/"),
    _model("tune", "tune:tune",
           "search for the parameters that config.yaml has to tune, train with the best; TRIALS=, WORKERS=, RESUME=1",
           extra=EXPERIMENTS),
    Verb("experiment", MODEL | TOP, "train, or tune, what the file CONFIG describes", "experiment:experiment"),
    _model("predict", "predict:predict", "serve on PORT (5111); DETACH=1 returns when it is ready"),
    _model("follow-version", "predict:follow_version", "serve what an alias leads to; make predict starts it", NOWHERE),
    _model("test-endpoint", "test_endpoint:test_model",
           "post test/test_instances.json, show the answer, fail on anything but a good one"),
    _model("stop", "predict:stop_model", "stop the server"),
    Verb("stop", ALL, "stop the server", "predict:stop_all"),
    Verb("stop", TOP, "stop every server of ours", "predict:stop_everything"),
    _model("logs", "predict:logs_of_model",
           "the log of a server that DETACH=1 started, or of the run ID; FOLLOW=1 stays"),
    Verb("logs", TOP, "what the run ID has printed, or the latest, here or on a compute; FOLLOW=1 stays",
         "computes:logs_of_run"),
    Verb("logs", ALL, "the log of a server started with DETACH=1; FOLLOW=1 stays", "predict:logs_of_all"),
    _model("shell", "predict:shell", "a shell in the predict image"),
    _model("package", "packaging:package",
           "train; the log and <model>-trained.tar.gz are here then, and in training.results of config.yaml"),
    _model("train-local", "train:train", "train without containers", local=True),
    _model("predict-local", "predict:predict", "serve without containers", local=True),
    _model("lock", "lock:lock_model", "resolve the requirements, write both lock files"),
    Verb("lock", TOP, "resolve the requirements of every model whose locks are missing or stale, write both lock files",
         "lock:lock_models"),
    _model("modernize", "modernize:modernize",
           "move pins that the images have no wheel of to the nearest version that has one, then lock"),
    _model("show", "inventory:show", "every value and where it came from"),
    _model("sbom", "sbom:sbom_model", "the bill of materials of both images: .trainyard/sbom/<image>.cdx.json"),
    Verb("sbom", ALL, "the bill of materials of the merged image: .trainyard/sbom/<image>.cdx.json",
         "sbom:sbom_all"),
    _model("audit", "audit:audit_model", "look for credentials in both images: environment, history, every layer"),
    Verb("audit", ALL, "look for credentials in the merged image", "audit:audit_all"),
    Verb("audit", TOP, "look for credentials in every image: environment, history, every layer",
         "audit:audit_everything"),
    _model("push", "push:push_model",
           "push both images to REGISTRY=<host:port/path>, or COMPUTE's, tagged by the git commit"),
    Verb("push", ALL, "push the merged image to REGISTRY=<host:port/path>, or COMPUTE's, tagged by the git commit",
         "push:push_all"),
    Verb("push", TOP, "push every image to REGISTRY=<host:port/path>, or COMPUTE's; SINCE=<git ref>: what changed",
         "push:push_everything"),
    Verb("runs", MODEL, "a table of the runs; SORT=<metric>, ALL=1, FORMAT=json or csv for programs", "runs:list_runs"),
    Verb("runs", TOP, "a table of the runs of every model; SORT=<metric>, ALL=1, FORMAT=json or csv for programs",
         "runs:list_runs"),
    Verb("attach", MODEL | TOP, "return to the run ID, or the latest, which was left on its compute", "computes:attach",
         extra=EXPERIMENTS),
    Verb("cancel", MODEL | TOP, "end the run ID, or the latest, on its compute", "computes:cancel"),
    Verb("run-show", MODEL | TOP, "everything about the run ID, or the latest", "runs:show_run"),
    Verb("reproduce", MODEL | TOP,
         "train the run ID, or the latest, again from what it was made of; fails unless all metrics are equal",
         "reproduce:reproduce"),
    Verb("compare", MODEL | TOP,
         'parameters and metrics of the runs in ID="<run> <run>" side by side, and a page of them', "compare:compare"),
    Verb("report", MODEL | TOP, "draw the report of the run ID, or of the latest: runs/<id>/report.html",
         "report:report"),
    _model("promote", "promotion:promote",
           "the model of the latest run (or ID, or VERSION) becomes the champion, if it is better; FORCE=1",
           extra=EXPERIMENTS),
    _model("rollback", "promotion:rollback", "the champion before this one is the champion again", extra=EXPERIMENTS),
    _model("clean", "clean:clean_model", "remove the images; binaries in models/ stay"),
    Verb("clean", ALL, "remove the merged image and the generated files", "clean:clean_all"),
    Verb("clean", TOP,
         "stop, and remove every model's images, generated files and .trainyard/; binaries in models/ stay; "
         "ALL=1: leave nothing of us", "clean:clean_everything"),
)  # fmt: skip


def verbs_of(where: Where) -> list[Verb]:
    """The targets of one kind of Makefile, in the order of its help."""
    return [verb for verb in VERBS if verb.where & where]


def commands() -> dict[str, list[Verb]]:
    """The verbs of the command line by their names: a row for each kind of folder in which one says something else."""
    found: dict[str, list[Verb]] = {}
    for verb in VERBS:
        found.setdefault(verb.name, []).append(verb)
    return found

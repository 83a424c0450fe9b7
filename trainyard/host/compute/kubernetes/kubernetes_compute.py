"""A namespace of a Kubernetes cluster: a task is a Job; files go into its pod, and come out, by ``kubectl exec``."""

from __future__ import annotations

import json
import shlex
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from trainyard.contract import hosted, run_folder
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import AwayError, Condition, FoundTask, Heard, LostError, RefusedError, State, Task
from trainyard.host.compute.compute_file import Kubernetes
from trainyard.host.compute.kubernetes.claim import Claim
from trainyard.host.compute.kubernetes.diagnosis import State as Found
from trainyard.host.compute.kubernetes.in_store import InStore
from trainyard.host.compute.kubernetes.jobs import Jobs
from trainyard.host.compute.kubernetes.kubectl import ForbiddenError, Kubectl, NoNamespaceError, patiently
from trainyard.host.compute.kubernetes.manifests import CONTAINER, KEEPER, facts_of, job, job_name, secrets_of
from trainyard.host.compute.kubernetes.permissions import MAKE_NAMESPACES, SEE_QUOTAS, permissions
from trainyard.host.compute.kubernetes.pod_following import Following
from trainyard.host.compute.kubernetes.pod_worker import PodWorker
from trainyard.host.compute.pushing import pushed
from trainyard.host.compute.talking import Lively
from trainyard.host.compute.tar_streams import unpack_tar, write_tar
from trainyard.host.engines.container.runner import RUN
from trainyard.host.engines.container_output import Conversation
from trainyard.host.engines.engine import ExportedImage
from trainyard.host.experiments.yaml_files import dump_yaml
from trainyard.host.support.reporter import Reporter

_STATES: dict[Found, State] = {
    "waiting": "waiting", "stuck": "waiting", "running": "running", "over": "over", "refused": "over", "lost": "gone"
}  # fmt: skip


@dataclass(frozen=True)
class KubernetesCompute:
    """``patience``: seconds for which the cluster may be away; ``wait``: that a task may wait for a place, for its
    files, to be fetched. ``in_store``: its storage, where that is a data store. ``submitted``: tasks whose files can be
    sent, by name."""

    name: str
    entry: Kubernetes
    kubectl: Kubectl
    patience: int
    wait: int
    reporter: Reporter
    in_store: InStore | None = None
    submitted: dict[str, Task] = field(default_factory=dict)
    pods: dict[str, str] = field(default_factory=dict)  # that have told the end of tasks, by their names
    kept: dict[str, bool] = field(default_factory=dict)  # whether what they wrote is in there

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.kubectl)

    @cached_property
    def claim(self) -> Claim | None:
        """Its storage, where that is a volume."""
        if not self.entry.claim:
            return None
        return Claim(
            self.entry, self.jobs, lambda name: self._following(name, lambda _: None, None), self.submitted,
            self.reporter, self.patience,
        )  # fmt: skip

    def condition(self) -> Condition:
        place = self.kubectl.namespace or self.kubectl.context
        try:
            place = self._place()
            allowed, lacks = permissions(self.kubectl)
            if not self._has_namespace():
                if MAKE_NAMESPACES not in allowed:
                    raise TrainyardError(f"there is no namespace {self.kubectl.namespace}", "ask for one")
                return Condition(self.name, self.entry.kind, place)
            if self.in_store:
                self.in_store.check()
            may_look = {"list jobs", "list pods"} <= allowed
            running = sum(task.state in ("running", "waiting") for task in self.tasks()) if may_look else 0
            free = self._quotas() if SEE_QUOTAS in allowed else ""
            return Condition(self.name, self.entry.kind, place, "", running, free, tuple(lacks))
        except TrainyardError as error:
            return Condition(self.name, self.entry.kind, place, str(error).removeprefix(f"compute {self.name}: "))

    def _place(self) -> str:
        """Context and namespace, as kubectl has them."""
        found = json.loads(self.kubectl.ask("config", "view", "--minify", "--output=json"))
        context = found["contexts"][0]
        namespace = self.kubectl.namespace or context["context"].get("namespace", "default")
        return f"{context['name']}/{namespace}"

    def _has_namespace(self) -> bool:
        """True where that cannot be known: who may work in a namespace need not be able to look at it."""
        if not self.kubectl.namespace:
            return True
        try:
            self.kubectl.ask("get", "namespace", self.kubectl.namespace)
        except ForbiddenError:
            return True
        except NoNamespaceError:
            return False
        return True

    def _quotas(self) -> str:
        """What they leave, in words."""
        words = []
        for quota in self.kubectl.objects("get", "resourcequotas"):
            used = quota["status"].get("used", {})
            words += [f"{used.get(what, '0')} of {most} {what} used" for what, most in quota["status"]["hard"].items()]
        return ", ".join(words)

    def provide(self, image: ExportedImage) -> str:
        if self.in_store:  # before anything is written down
            self.in_store.check()
        return pushed(image, self.entry.registry, self.patience, self.reporter)

    def shown(self, task: Task) -> list[str]:
        create = shlex.join(self.kubectl.argv("create", "--filename=-"))
        manifest = json.loads(job(task, self.entry, self.wait, 1 if task.workers else 0))
        return [f"{create} <<END", *dump_yaml(manifest).splitlines(), "END"]

    def submit(self, task: Task, *, again: bool = False) -> None:
        if task.offline:
            raise TrainyardError(f"compute {self.name}: nothing keeps a task there from the network", "", EXIT_FAILED)
        self.submitted[task.name] = task
        if self.in_store and not again:
            self.in_store.check_time(task)
            if self.in_store.has(task.name):
                return  # it has ended, and somebody has removed its Job
        if task.workers:  # each begins when it is talked to
            return
        if again:  # its pods share nothing with those that end
            self.jobs.delete(task.name)
        self.jobs.create(job(task, self.entry, self.wait, again=again))

    def follow(self, task: str, heard: Heard, *, wait: bool = True) -> int:
        send = self._sender(self.submitted[task]) if task in self.submitted else None
        following = self._following(task, heard, send)
        try:
            if not wait:
                following.printed()
                return 0
            status = following.status()
        except LostError:
            storage = self.claim or self.in_store
            pod, output = storage.told(task) if storage else ("", b"")
            if not pod:
                raise
            status = following.told(pod, output)
        self.pods[task] = following.pod
        self.kept[task] = following.is_kept
        return status

    def _following(self, job: str, heard: Heard, send: Callable[[str], None] | None) -> Following:
        return Following(self.name, job, self.jobs, heard, send, self.patience, self.wait, self.reporter)

    def _sender(self, task: Task) -> Callable[[str], None]:
        marks = f"{run_folder.MOUNT}/{hosted.FOLDER}"
        if task.unknown:

            def refuse(_: str) -> None:
                unknown = f"nobody here knows {', '.join(task.unknown)}"
                raise RefusedError(
                    f"{task.name} on {self.name}: its files were not sent before its client died, and {unknown}",
                    "train again", EXIT_FAILED,
                )  # fmt: skip

            return refuse
        secrets = secrets_of(task)
        texts = {f"{marks}/{hosted.ENVIRONMENT}": json.dumps(secrets)} if secrets else {}
        if storage := self.claim or self.in_store:
            return lambda pod: storage.send(task, pod, texts)
        files = {one.place: one for one in task.inputs}
        size = sum(one.size for one in task.inputs)

        def send(pod: str) -> None:
            text = f"Sending {len(files)} files ({size / 1e6:.1f} MB) to {self.name} ..."
            command = ("exec", "--stdin", pod, f"--container={CONTAINER}", "--", RUN, "receive")
            try:
                with self.reporter.waiting(text), self.kubectl.talk(*command, limit=self.kubectl.copy) as (stdin, _):
                    write_tar(stdin, files, [marks, *task.made], texts)
            except BrokenPipeError:
                return  # it has them already

        return send

    def fetch(self, task: str, folder: Path) -> None:
        patiently(lambda: self._fetch(task, folder), self.patience)

    def _fetch(self, task: str, folder: Path) -> None:
        is_kept = self.kept.get(task, False)  # where a data store has failed
        if self.in_store and not is_kept and self.in_store.fetch(task, self.pods.get(task, ""), folder):
            return
        if self.claim:
            command = self.claim.sender(task, self.pods.get(task, ""))
        else:
            command = ("exec", self._kept_pod(task), f"--container={CONTAINER}", "--", RUN, "send")
        try:
            with (
                self.reporter.waiting(f"Fetching what {task} wrote from {self.name} ..."),
                self.kubectl.talk(*command, limit=self.kubectl.copy) as (_, stdout),
            ):
                unpack_tar(Lively(stdout, self.name, self.kubectl.call), folder)
        except tarfile.ReadError as error:
            # The way there broke: whether its pod is lost is seen when it is tried again.
            raise AwayError(
                f"{task}: what it wrote did not arrive whole from {self.name} ({error})", "", EXIT_FAILED
            ) from None

    def _kept_pod(self, task: str) -> str:
        """The pod that waits to be fetched.

        Raises:
            LostError: it is lost.
            RefusedError: it has waited for as long as it may.
        """
        found = self.jobs.look(task)
        finding = found.finding
        if finding.state == "over":
            fix = "train again; WAIT_TIMEOUT keeps it for longer"
            raise RefusedError(
                f"{task} on {self.name}: what it wrote is gone (it was kept for {self.wait} s)", fix, EXIT_FAILED
            )
        if finding.state != "running":
            raise LostError(f"{task} on {self.name}: what it wrote is gone ({finding.text})", "", EXIT_FAILED)
        return found.pod_name

    def clean_up(self, task: str) -> None:
        if self.claim:
            self.claim.clean_up(task)
        else:
            self.jobs.remove(task)
            if self.in_store:
                self.in_store.clean_up(task)

    def trim_storage(self, image: str, days: int) -> int:
        return self.claim.trim(image, days) if self.claim else 0

    def converse(self, task: str, worker: int, heard: Callable[[bytes, bool], None]) -> Conversation:
        submitted, name = self.submitted[task], job_name(task, worker)
        manifest = job(submitted, self.entry, self.wait, worker)
        following = self._following(name, lambda _: None, None)
        return PodWorker(
            self.kubectl.argv, lambda: patiently(lambda: self.jobs.create(manifest), self.patience), following,
            self._sender(submitted), lambda: self.jobs.delete(name), heard,
        )  # fmt: skip

    def tasks(self) -> list[FoundTask]:
        found = dict[str, FoundTask]()  # a tuning has several Jobs
        for one in self.jobs.all():
            facts = facts_of(one.job or {})
            name, until = facts["task"], int(facts.get("until", 0))
            state = "over" if facts["job"].endswith(KEEPER) else _STATES[one.finding.state]
            if name not in found or not facts["job"].endswith(KEEPER):
                found[name] = FoundTask(name, facts.get("run", ""), facts.get("clone", ""), state, until)
        kept = self.in_store.tasks() if self.in_store else ()
        return [*found.values(), *{one.name: one for one in kept if one.name not in found}.values()]

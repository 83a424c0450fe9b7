"""The parts that tests of computes need work: a cluster with its registry, Slurm, another user by ssh."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from image_archive import write_image
from needs import need
from waiting import until

from computes.cluster import Cluster
from computes.slurm import Slurm
from computes.ssh_host import SshHost

pytestmark = pytest.mark.slow


ALLOWED = {
    "jobs.batch": ("create", "get", "list", "watch", "delete", "patch"), "pods": ("get", "list", "watch"),
    "pods/log": ("get",), "pods/exec": ("create",), "configmaps": ("create", "get", "delete", "patch"),
}  # fmt: skip
REFUSED = {"secrets": "list", "pods": "create", "events": "list", "configmaps": "list", "deployments.apps": "create"}


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()


@pytest.fixture(scope="module")
def busybox(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of it alone, pushed to the registry by docker: its name by digest."""
    need("docker")
    need("busybox")
    program = shutil.which("busybox")
    assert program
    archive = tmp_path_factory.mktemp("image") / "busybox.tar"
    name = f"{cluster.registry}/busybox:1"
    write_image(archive, name, {"/bin/busybox": Path(program)}, "busybox")
    docker("load", "--input", str(archive))
    try:
        docker("push", name)
        yield docker("inspect", "--format", "{{index .RepoDigests 0}}", name)
    finally:
        docker("rmi", "--force", docker("inspect", "--format", "{{.Id}}", name))


def pod(image: str, *command: str, **more: object) -> dict[str, Any]:
    """The specification of a pod that the standard `restricted` lets run."""
    container = {
        "name": "main", "image": image, "command": ["busybox", *command],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    secured = {"runAsNonRoot": True, "runAsUser": 1001, "seccompProfile": {"type": "RuntimeDefault"}}
    common = {"restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False}
    return {**common, "securityContext": secured, "terminationGracePeriodSeconds": 0, "containers": [container], **more}


def apply(cluster: Cluster, kind: str, name: str, spec: dict[str, Any], user: str = "dev", **metadata: Any) -> None:
    version = {"Job": "batch/v1"}.get(kind, "v1")
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
    cluster.kubectl("apply", "--filename=-", user=user, stdin=json.dumps(manifest)).check_returncode()


def job(spec: dict[str, Any]) -> dict[str, Any]:
    return {"backoffLimit": 0, "template": {"spec": spec}}


def test_a_job_runs_from_an_image_that_docker_pushed(cluster: Cluster, busybox: str) -> None:
    apply(cluster, "Job", "hello", job(pod(busybox, "sh", "-c", "echo hello from $(busybox id -u)")))
    waited = cluster.kubectl("wait", "--for=condition=complete", "job/hello", "--timeout=50s", user="dev")
    assert waited.returncode == 0, cluster.kubectl("describe", "pods", "--namespace=team").stdout
    assert cluster.kubectl("logs", "job/hello", user="dev").stdout == "hello from 1001\n"


def test_the_user_of_the_team_may_do_what_five_rules_say(cluster: Cluster, busybox: str) -> None:
    answer = cluster.kubectl("auth", "can-i", "--list", user="dev").stdout
    for resource, verbs in ALLOWED.items():
        row = next(line for line in answer.splitlines() if line.split()[:1] == [resource])
        assert row.partition("[] ")[2].strip().endswith(f"[{' '.join(verbs)}]"), row
    for resource, verb in REFUSED.items():
        assert cluster.kubectl("auth", "can-i", verb, resource, user="dev").stdout == "no\n", resource
    assert "forbidden" in cluster.kubectl("get", "secrets", user="dev").stderr
    assert "forbidden" in cluster.kubectl("get", "jobs", "--namespace=default", user="dev").stderr


def test_a_pod_is_talked_to_by_exec(cluster: Cluster, busybox: str) -> None:
    apply(cluster, "Job", "talk", job(pod(busybox, "sleep", "600")))
    running = ("wait", "--for=jsonpath={.status.phase}=Running", "pod", "--selector=job-name=talk", "--timeout=50s")
    until(lambda: cluster.kubectl(*running, user="dev").returncode == 0)  # which fails while there is no pod
    answer = cluster.kubectl(
        "exec", "--stdin", "job/talk", "--", "busybox", "tr", "a-z", "A-Z", user="dev", stdin="text"
    )
    assert answer.stdout == "TEXT", answer.stderr
    cluster.kubectl("delete", "job/talk", user="dev").check_returncode()


def test_a_pod_that_is_not_restricted_is_refused_and_its_job_is_not(cluster: Cluster, busybox: str) -> None:
    apply(cluster, "Job", "root", job(pod(busybox, "true", securityContext={"runAsUser": 0})))
    about = "/api/v1/namespaces/team/events?fieldSelector=involvedObject.name=root"
    messages = until(lambda: [event["message"] for event in cluster.get(about)["items"]])
    assert "violates PodSecurity" in messages[0]
    assert cluster.kubectl("get", "pods", "--selector=job-name=root", "--output=name", user="dev").stdout == ""


def test_a_service_leads_to_a_pod_on_the_other_node(cluster: Cluster, busybox: str) -> None:
    """By its address: no name server runs here."""
    server = pod(busybox, "sh", "-c", "echo served >/tmp/page; exec busybox httpd -f -p 8080 -h /tmp", nodeName="n1")
    server["containers"][0]["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    apply(
        cluster, "Pod", "web", server | {"volumes": [{"name": "tmp", "emptyDir": {}}]}, "admin", labels={"app": "web"}
    )
    apply(cluster, "Service", "web", {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}, "admin")
    address = cluster.get("/api/v1/namespaces/default/services/web")["spec"]["clusterIP"]
    # Debian's static busybox dies in its wget, which loads libraries to look names up.
    request = f"printf 'GET /page HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 2 {address} 80 2>/dev/null | busybox tail -n 1"
    ask = f'while busybox sleep 0.2; do text=$({request}); [ -z "$text" ] || break; done; echo "$text"'
    apply(cluster, "Pod", "asks", pod(busybox, "sh", "-c", ask, nodeName="n2"), "admin")
    phase = "/api/v1/namespaces/default/pods/asks"
    until(lambda: cluster.get(phase)["status"]["phase"] == "Succeeded", 60, lambda: cluster.get(phase)["status"])
    assert cluster.kubectl("logs", "asks").stdout == "served\n"


def test_the_registry_comes_back_with_what_it_had(cluster: Cluster, busybox: str) -> None:
    cluster.stop_registry()
    with pytest.raises(subprocess.CalledProcessError):
        docker("pull", busybox)
    cluster.start_registry()
    docker("pull", busybox)


def test_nodes_are_lost_and_come_back(cluster: Cluster) -> None:
    """One without its cable, one without its kubelet, which another thread than this may start again."""
    cluster.node_network("n1", up=False)
    cluster.kill_kubelet("n2")
    try:
        for node in ("n1", "n2"):
            until(lambda node=node: not cluster.is_ready(node), 60)
    finally:
        cluster.node_network("n1", up=True)
        starting = threading.Thread(target=cluster.start_kubelet, args=("n2",))
        starting.start()
        starting.join()
    for node in ("n1", "n2"):
        until(lambda node=node: cluster.is_ready(node), 60)


def test_slurm_runs_a_script(slurm: Slurm, tmp_path: Path) -> None:
    script = "#!/bin/sh\necho job $SLURM_JOB_ID on $SLURMD_NODENAME\n"
    job = slurm.run("sbatch", "--parsable", f"--output={tmp_path}/out", "--nodelist=n2", stdin=script).strip()
    until(lambda: job not in slurm.queue())
    assert (tmp_path / "out").read_text() == f"job {job} on n2\n"


def test_slurm_runs_an_array_on_both_nodes(slurm: Slurm, tmp_path: Path) -> None:
    script = "#!/bin/sh\nsleep 1; echo $SLURM_ARRAY_TASK_ID $SLURMD_NODENAME\n"
    slurm.run("sbatch", "--array=0-3", "--cpus-per-task=2", f"--output={tmp_path}/%a", stdin=script)
    until(lambda: not slurm.queue())
    lines = [(tmp_path / str(number)).read_text().split() for number in range(4)]
    assert [number for number, _ in lines] == ["0", "1", "2", "3"]
    assert {node for _, node in lines} == {"n1", "n2"}


def test_slurm_feeds_a_step_its_input(slurm: Slurm) -> None:
    assert slurm.run("srun", "--quiet", "tr", "a-z", "A-Z", stdin="some text\n") == "SOME TEXT\n"


def test_slurm_cancels(slurm: Slurm) -> None:
    job = slurm.run("sbatch", "--parsable", "--output=/dev/null", stdin="#!/bin/sh\nexec sleep 600\n").strip()
    until(lambda: slurm.queue().get(job) == "R")
    slurm.run("scancel", job)
    until(lambda: job not in slurm.queue())


def test_ssh_runs_a_command_as_another_user(ssh_host: SshHost) -> None:
    done = ssh_host.run("id -un; pwd; cat", stdin="some text")
    assert done.stdout == f"{ssh_host.user}\n{ssh_host.home}\nsome text", done.stderr
    assert ssh_host.run("ls /root").returncode != 0
    assert ssh_host.run("exit 7").returncode == 7


def test_the_other_user_may_use_docker(ssh_host: SshHost) -> None:
    done = ssh_host.run("docker version --format '{{.Server.Version}}'")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()

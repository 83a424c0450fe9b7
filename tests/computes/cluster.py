"""A Kubernetes of two nodes on this machine, and a registry that both docker and the nodes know by one name."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from image_archive import write_image
from image_registry import ImageRegistry
from needs import need
from waiting import until

from computes.control_plane import ControlPlane
from computes.namespaces import Namespaces, run
from computes.network import Network
from computes.node import Node
from computes.node_configs import PAUSE, write_registry
from computes.started import Started

PROGRAMS = (
    "root", "kube", "kube-pause", "etcd", "containerd", "/usr/lib/cni/bridge", "nft", "ip", "docker-registry",
    "openssl",
)  # fmt: skip
TEAM = Path(__file__).parent / "manifests" / "team.yaml"
NODES = (1, 2)


class Cluster(Started):
    """Users: ``admin``; ``dev``, who may in the namespace ``team`` what manifests/team.yaml says."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        for program in PROGRAMS:
            need(program)
        self._folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self._network = Network.free()
        self._registry = ImageRegistry(folder / "registry", "0.0.0.0")
        self.registry = self._registry.name
        self._switch = Namespaces(self.logs / "switch.log")
        self._control = ControlPlane(folder / "control", self.logs, self._network)
        nodes = [Node(number, folder / f"n{number}", self.logs, self._network) for number in NODES]
        self._nodes = {node.name: node for node in nodes}

    @property
    def host(self) -> str:
        """The address of this machine that pods reach."""
        return self._network.host

    def environ(self, user: str = "admin") -> dict[str, str]:
        """For a program that calls ``kubectl`` as that user."""
        return {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "KUBECONFIG": str(self._control.kubeconfig(user)),
        }

    def kubectl(
        self, *arguments: str, user: str = "admin", stdin: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *arguments], env=os.environ | self.environ(user), input=stdin or "", capture_output=True,
            text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def get(self, path: str) -> Any:
        """What the API has at that path, without the half second of kubectl."""
        return self._control.get(path)

    def is_ready(self, node: str) -> bool:
        conditions = self.get(f"/api/v1/nodes/{node}")["status"]["conditions"]
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def node_network(self, node: str, up: bool) -> None:
        """Put the node's cable in, or pull it."""
        self._nodes[node].plug(up)

    def kill_kubelet(self, node: str) -> None:
        self._nodes[node].kill_kubelet()

    def start_kubelet(self, node: str) -> None:
        self._nodes[node].start_kubelet()

    def know_registry(self, name: str) -> None:
        """The nodes pull from one more registry of this machine."""
        for node in self._nodes:
            write_registry(self._folder / node, name, self._network)

    def stop_registry(self) -> None:
        self._registry.stop()

    def start_registry(self) -> None:
        """It has what was pushed to it before."""
        self._registry.start()

    def _start(self) -> None:
        self._ends.callback(self._remove_files)
        self._link_kubectl()
        self._ends.callback(self._registry.stop)
        self._registry.start()
        self._start_switch()
        self._ends.callback(self._control.stop)
        self._control.start()
        self._start_nodes()  # while the apiserver starts
        self._control.start_controllers()
        for node in self._nodes.values():
            node.start_kubelet()
            node.start_proxy()
        applied = self.kubectl("apply", f"--filename={TEAM}")
        assert applied.returncode == 0, applied.stderr
        until(self._serves, 90, lambda: self.kubectl("get", "nodes,serviceaccounts", "--all-namespaces").stdout)

    def _start_switch(self) -> None:
        self._ends.callback(self._switch.stop)
        self._switch.start()
        self._switch.ip("link add br0 type bridge")
        self._switch.ip("link set br0 up")
        cable = self._network.cable
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", "host", "netns", str(self._switch.pid))
        run("ip", "address", "add", f"{self._network.host}/24", "dev", cable)
        run("ip", "link", "set", cable, "up")
        self._switch.ip("link set host master br0 up")

    def _start_nodes(self) -> None:
        pause = self._folder / "pause.tar"
        program = shutil.which("kube-pause")
        assert program
        write_image(pause, PAUSE, {"/pause": Path(program)}, "/pause")
        for number, node in zip(NODES, self._nodes.values(), strict=True):
            others = [other for other in NODES if other != number]
            self._ends.callback(node.stop)
            node.start(self._switch, others, self.registry, self._control, pause)

    def _serves(self) -> bool:
        """Nodes are there and ready, and pods of the team get their account."""
        names = {item["metadata"]["name"] for item in self.get("/api/v1/nodes")["items"]}
        accounts = self.get("/api/v1/namespaces/team/serviceaccounts")["items"]
        return names == set(self._nodes) and all(map(self.is_ready, names)) and bool(accounts)

    def _link_kubectl(self) -> None:
        program = shutil.which("kube")
        assert program
        (self._folder / "bin").mkdir()
        (self._folder / "bin" / "kubectl").symlink_to(Path(program).resolve())

    def _remove_files(self) -> None:
        """All but the logs."""
        for path in self._folder.iterdir():
            if path != self.logs:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

"""A node: containerd, kubelet and kube-proxy in namespaces of their own, and a cable to the cluster's switch."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from background import Daemon
from waiting import until

from computes import control_groups
from computes.control_plane import ControlPlane
from computes.namespaces import Namespaces
from computes.network import Network
from computes.node_configs import write_configs

HERE = Path(__file__).parent


class Node:
    """``n1`` or ``n2``."""

    def __init__(self, number: int, folder: Path, logs: Path, network: Network) -> None:
        self.name = f"n{number}"
        self._number = number
        self._folder = folder
        self._network = network
        self._logs = logs
        self._cgroup = f"trainyard{network.number}-{self.name}"
        self._namespaces = Namespaces(logs / f"{self.name}.log")
        self._switch: Namespaces | None = None
        self._ends = ExitStack()
        folder.mkdir(parents=True)

    def start(self, switch: Namespaces, others: list[int], registry: str, control: ControlPlane, pause: Path) -> None:
        """All but the kubelet and the proxy, which want the apiserver. ``others``: the other nodes' numbers; ``pause``:
        an archive."""
        self._ends.callback(control_groups.remove, self._cgroup)
        control_groups.make(self._cgroup)
        self._ends.callback(self._namespaces.stop)
        self._namespaces.start()
        self._switch = switch
        switch.ip(f"link add {self.name} type veth peer name eth0 netns {self._namespaces.pid}")
        switch.ip(f"link set {self.name} master br0 up")
        routes = [word for other in others for word in (self._network.pods(other), self._network.node(other))]
        address = self._network.node(self._number)
        self._namespaces.run("sh", str(HERE / "node.sh"), address, self._network.host, *routes)
        write_configs(
            self._folder, self._number, self._network, registry, f"/{self._cgroup}", control.kubeconfig("proxy")
        )
        containerd = self._daemon("containerd", "containerd", "--config", str(self._folder / "containerd.toml"))
        containerd.start()
        self._kubelet = self._daemon(
            "kubelet", "kube", "kubelet", f"--config={self._folder}/kubelet.json",
            f"--kubeconfig={control.kubeconfig(self.name)}", f"--root-dir={self._folder}/kubelet",
            f"--cert-dir={self._folder}/kubelet-keys", f"--hostname-override={self.name}", f"--node-ip={address}",
            "--v=1",
        )  # fmt: skip
        self._proxy = self._daemon("proxy", "kube", "proxy", f"--config={self._folder}/proxy.json")
        socket = Path(f"/proc/{self._namespaces.pid}/root/run/containerd/containerd.sock")
        until(socket.exists, 30, containerd.shown)
        self._namespaces.run("ctr", "--namespace=k8s.io", "images", "import", str(pause))

    def start_kubelet(self) -> None:
        self._kubelet.start()

    def kill_kubelet(self) -> None:
        """Its pods go on, and nobody looks after them."""
        self._kubelet.kill()

    def start_proxy(self) -> None:
        self._proxy.start()

    def plug(self, up: bool) -> None:
        """Put the cable in, or pull it."""
        assert self._switch, "it was not started"
        self._switch.ip(f"link set {self.name} {'up' if up else 'down'}")

    def stop(self) -> None:
        self._ends.close()

    def _daemon(self, name: str, *command: str) -> Daemon:
        """One that runs in there, and ends with the namespaces."""
        daemon = Daemon(self._logs / f"{self.name}-{name}.log", self._namespaces.inside(*command))
        self._ends.callback(daemon.kill)
        return daemon

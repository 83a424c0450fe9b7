"""Configuration of what runs on a node: the container runtime, the kubelet, the proxy."""

from __future__ import annotations

import json
from pathlib import Path

from computes.network import PODS, Network

PAUSE = "trainyard.invalid/pause:1"
CONTAINERD = """
version = 2
root = "{folder}/containerd"
oom_score = 0
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/certs.d"
"""
HOSTS = """
server = "http://{address}"
[host."http://{address}"]
  capabilities = ["pull", "resolve"]
"""


def write_configs(folder: Path, number: int, network: Network, registry: str, cgroup: str, kubeconfig: Path) -> None:
    """``registry``: the name of images in there, which is this machine's address only on this machine itself."""
    (folder / "containerd.toml").write_text(CONTAINERD.format(folder=folder, pause=PAUSE))
    write_registry(folder, registry, network)
    (folder / "cni").mkdir()
    _write(folder / "cni" / "pods.conflist", _pod_network(network.pods(number)))
    # Pods inherit it. On the machine it may be a link into a folder that the node does not see.
    (folder / "resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
    _write(folder / "kubelet.json", _kubelet(folder, network.node(number), cgroup))
    _write(folder / "proxy.json", _proxy(f"n{number}", network.node(number), kubeconfig))


def write_registry(folder: Path, registry: str, network: Network) -> None:
    """The runtime looks there whenever it pulls."""
    hosts = folder / "certs.d" / registry / "hosts.toml"
    hosts.parent.mkdir(parents=True)
    hosts.write_text(HOSTS.format(address=registry.replace("127.0.0.1", network.host)))


def _write(path: Path, config: dict[str, object]) -> None:
    """JSON is YAML."""
    path.write_text(json.dumps(config, indent=2))


def _pod_network(subnet: str) -> dict[str, object]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def _kubelet(folder: Path, address: str, cgroup: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "resolvConf": str(folder / "resolv.conf"),
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "4s",
        "enforceNodeAllocatable": ["pods"],
        "systemReserved": {"memory": "1Gi"},
        "volumePluginDir": str(folder / "volume-plugins"),
        "healthzPort": 0,
        "oomScoreAdj": 0,  # root of a confined machine may not lower it
    }


def _proxy(name: str, address: str, kubeconfig: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": "0.0.0.0",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "hostnameOverride": name,
        "mode": "nftables",
        "clusterCIDR": PODS,
        "conntrack": {"maxPerCore": 0, "min": 0},
        "nodePortAddresses": [f"{address}/32"],
    }

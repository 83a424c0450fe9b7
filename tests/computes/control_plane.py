"""etcd, apiserver, controller manager and scheduler, on this machine; who may log in."""

from __future__ import annotations

import json
import secrets
import ssl
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from background import Daemon, accepts
from monorepo import free_port
from waiting import until

from computes.network import SERVICES, Network

# By a token each: the name that Kubernetes knows them by, and a group.
USERS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "dev": ("dev", ""),
    "n1": ("system:node:n1", "system:nodes"),
    "n2": ("system:node:n2", "system:nodes"),
}


class ControlPlane:
    """``logs``: a folder for each program's."""

    def __init__(self, folder: Path, logs: Path, network: Network) -> None:
        self._folder = folder
        self._logs = logs
        self._network = network
        self._tokens = {user: secrets.token_hex(16) for user in USERS}
        self._daemons: list[Daemon] = []
        self.url = f"https://{network.host}:{free_port()}"
        self._certificate = folder / "apiserver.crt"  # the apiserver makes one and signs it itself
        (folder / "kubeconfigs").mkdir(parents=True)
        for user in USERS:
            self._write_kubeconfig(user)

    def kubeconfig(self, user: str) -> Path:
        return self._folder / "kubeconfigs" / user

    def start(self) -> None:
        """etcd and the apiserver, which is ready some seconds later."""
        subprocess.run(
            ["openssl", "genrsa", "-out", self._folder / "accounts.key", "2048"], check=True, capture_output=True
        )
        (self._folder / "tokens.csv").write_text(
            "".join(f'{self._tokens[user]},{name},{user},"{group}"\n' for user, (name, group) in USERS.items())
        )
        clients, peers = free_port(), free_port()
        etcd, peer = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
        started = self._start(
            "etcd", "etcd", name="e", data_dir=self._folder / "etcd", listen_client_urls=etcd,
            advertise_client_urls=etcd, listen_peer_urls=peer, initial_advertise_peer_urls=peer,
            initial_cluster=f"e={peer}", unsafe_no_fsync=True, logger="zap", log_level="warn",
        )  # fmt: skip
        until(lambda: accepts(clients), 30, started.shown)
        self._start(
            "apiserver", "kube", "apiserver", etcd_servers=etcd, bind_address=self._network.host,
            advertise_address=self._network.host, secure_port=self.url.rpartition(":")[2], cert_dir=self._folder,
            service_cluster_ip_range=SERVICES, service_account_issuer=self.url,
            service_account_key_file=self._folder / "accounts.key",
            service_account_signing_key_file=self._folder / "accounts.key",
            kubelet_preferred_address_types="InternalIP",  # nobody here knows the nodes by their names
            token_auth_file=self._folder / "tokens.csv", authorization_mode="Node,RBAC",
            enable_admission_plugins="NodeRestriction", allow_privileged=True, v=1,
        )  # fmt: skip

    def start_controllers(self) -> None:
        """Once the apiserver is ready."""
        apiserver = self._daemons[-1]
        until(self._is_ready, 90, apiserver.shown)
        self._start(
            "controller-manager", "kube", "controller-manager", kubeconfig=self.kubeconfig("controllers"),
            use_service_account_credentials=True, leader_elect=False, bind_address="127.0.0.1", secure_port=free_port(),
            service_account_private_key_file=self._folder / "accounts.key", root_ca_file=self._certificate,
            node_monitor_period="2s", node_monitor_grace_period="16s",  # a lost node is seen sooner than after 50 s
        )  # fmt: skip
        self._start(
            "scheduler", "kube", "scheduler", kubeconfig=self.kubeconfig("scheduler"), leader_elect=False,
            bind_address="127.0.0.1", secure_port=free_port(),
        )  # fmt: skip

    def get(self, path: str) -> Any:
        """What the apiserver answers the administrator."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self._tokens['admin']}"})
        with urllib.request.urlopen(request, timeout=10, context=self._context()) as response:
            return json.load(response)

    def stop(self) -> None:
        """By force: an apiserver waits a minute for its connections after SIGTERM."""
        for daemon in reversed(self._daemons):
            daemon.kill()

    def _start(self, name: str, /, *command: str, **options: object) -> Daemon:
        words = {key: str(value).lower() if isinstance(value, bool) else value for key, value in options.items()}
        given = [f"--{key.replace('_', '-')}={value}" for key, value in words.items()]
        daemon = Daemon(self._logs / f"{name}.log", [*command, *given])
        self._daemons.append(daemon)
        daemon.start()
        return daemon

    def _is_ready(self) -> bool:
        with suppress(OSError, ssl.SSLError):
            request = urllib.request.Request(f"{self.url}/readyz")
            with urllib.request.urlopen(request, timeout=5, context=self._context()) as response:
                return bool(response.status == 200)
        return False

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._certificate))

    def _write_kubeconfig(self, user: str) -> None:
        """JSON is YAML. A context is called as the user."""
        context = {"cluster": "trainyard", "user": user, "namespace": "team" if user == "dev" else "default"}
        cluster = {"server": self.url, "certificate-authority": str(self._certificate)}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": user,
            "clusters": [{"name": "trainyard", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": user, "context": context}],
        }  # fmt: skip
        path = self.kubeconfig(user)
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=2))

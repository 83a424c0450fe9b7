"""What whoever asks may do in a namespace: deploy/kubernetes/role.yaml has the same as a Role."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trainyard.host.compute.kubernetes.kubectl import Kubectl

# Each as Kubernetes names it: group, resource, verb.
_NEEDED = (
    ("batch", "jobs", "create"), ("batch", "jobs", "list"), ("batch", "jobs", "delete"), ("", "pods", "list"),
    ("", "pods", "get"), ("", "pods/log", "get"), ("", "pods/exec", "create"), ("", "events", "list"),
)  # fmt: skip
MAKE_NAMESPACES = "create namespaces"
SEE_QUOTAS = "list resourcequotas"
_WELCOME = (("", "namespaces", "create"), ("", "resourcequotas", "list"))


def permissions(kubectl: Kubectl) -> tuple[set[str], Sequence[str]]:
    """Those that are there, and those that are needed and missing; each as "create jobs".

    Raises:
        AwayError: the cluster does not answer.
        TrainyardError: it refuses.
    """
    asked = [_review(kubectl.namespace, *one) for one in (*_NEEDED, *_WELCOME)]
    answers = kubectl.objects(
        "create", "--filename=-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": asked})
    )
    names = [f"{verb} {resource}" for _, resource, verb in (*_NEEDED, *_WELCOME)]
    allowed = {name for name, one in zip(names, answers, strict=True) if one["status"].get("allowed")}
    return allowed, [name for name in names[: len(_NEEDED)] if name not in allowed]


def _review(namespace: str, group: str, resource: str, verb: str) -> dict[str, object]:
    resource, _, part = resource.partition("/")
    asked = {"namespace": namespace, "group": group, "resource": resource, "subresource": part, "verb": verb}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in asked.items() if value}},
    }

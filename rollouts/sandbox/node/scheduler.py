"""The trivial scheduler: there is one node, and every pod that may run runs there, unless the node is cordoned."""

from __future__ import annotations

import platform

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.clock import Clock, stamp, wall_clock
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import NODES, PODS, Json, Key, is_terminating, key_of
from rollouts.sandbox.node.script import ScriptProblem, is_schedulable
from rollouts.sandbox.workqueue import Controller

DEFAULT_SCHEDULER = "default-scheduler"


class Scheduler:
    """Binds pods; `controller` serves its queue."""

    def __init__(
        self, api: ApiClient, informers: Informers, node: str, *, clock: Clock = wall_clock, workers: int = 16
    ) -> None:
        self._api = api
        self._clock = clock
        self._node = node
        self._pods = informers.of(PODS)
        self.controller: Controller[Key] = Controller("scheduler", self.reconcile, workers=workers)
        self._pods.on_change(self._pod_changed)
        self._nodes = informers.of(NODES)
        self._nodes.on_change(self._node_changed)

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        if new is not None and not new["spec"].get("nodeName"):
            self.controller.queue.add(key_of(new))

    def _node_changed(self, old: Json | None, new: Json | None) -> None:
        if _is_cordoned(old) and not _is_cordoned(new):
            for pod in self._pods:
                self._pod_changed(None, pod)

    async def reconcile(self, key: Key) -> None:
        """Bind one pod, or say why not."""
        pod = self._pods.get(key)
        if pod is None or pod["spec"].get("nodeName") or is_terminating(pod):
            return
        if pod["spec"].get("schedulerName", DEFAULT_SCHEDULER) != DEFAULT_SCHEDULER or pod["spec"].get(
            "schedulingGates"
        ):
            return
        try:
            allowed, message = is_schedulable(pod), "0/1 nodes are available: the pod's annotation asks for none."
        except ScriptProblem as problem:
            allowed, message = False, str(problem)
        if allowed and _is_cordoned(self._nodes.get(("", self._node))):
            allowed, message = False, "0/1 nodes are available: 1 node(s) were unschedulable."
        if allowed:
            await self._bind(pod)
        else:
            await self._refuse(pod, message)

    async def _bind(self, pod: Json) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
        }
        try:
            await self._api.request("POST", PODS.item(key_of(pod), "binding"), body=body)
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise

    async def _refuse(self, pod: Json, message: str) -> None:
        status = pod.get("status") or {}
        if any(condition["type"] == "PodScheduled" for condition in status.get("conditions") or ()):
            return
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        condition["lastTransitionTime"] = stamp(self._clock())
        change = {**status, "phase": "Pending", "conditions": [*(status.get("conditions") or ()), condition]}
        body = {**pod, "apiVersion": PODS.api_version, "kind": PODS.kind, "status": change}
        self._pods.observe(await self._api.update(PODS, key_of(pod), body, subresource="status"))


def _is_cordoned(node: Json | None) -> bool:
    return bool(((node or {}).get("spec") or {}).get("unschedulable"))


async def register_node(api: ApiClient, name: str, address: str, *, clock: Clock = wall_clock) -> None:
    """Make the Node object and say that it is ready. Raises ApiFailure."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    try:
        stored = await api.create(NODES, "", {"metadata": {"name": name, "labels": labels}})
    except ApiFailure as failure:
        if not failure.is_taken:
            raise
        stored = await api.get(NODES, ("", name))
    now = stamp(clock())
    room = {"cpu": "64", "memory": "256Gi", "pods": "10000"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "sandbox node is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
    status: Json = {"capacity": room, "allocatable": room, "conditions": [ready], "addresses": addresses}
    status["nodeInfo"] = _node_info()
    body = {**stored, "apiVersion": "v1", "kind": "Node", "status": status}
    await api.update(NODES, ("", name), body, subresource="status")


def _node_info() -> Json:
    """What kubectl shows of the machine; there is no kubelet and no container runtime to name."""
    machine = platform.uname()
    return {
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
        "kernelVersion": machine.release,
        "osImage": "rollouts sandbox",
        "containerRuntimeVersion": "sandbox://0",
        "kubeletVersion": "v0.0.0-sandbox",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": machine.machine,
    }

"""How the node reads a pod's wishes, plays its course and words its status; no processes."""

from __future__ import annotations

from datetime import datetime

import pytest

from rollouts.sandbox.clock import stamp
from rollouts.sandbox.node.course import Course, Run, outcome, play, resumed
from rollouts.sandbox.node.environment import ConfigProblem, expanded, field
from rollouts.sandbox.node.probes import probe_of
from rollouts.sandbox.node.script import Script, ScriptProblem, pre_stop_seconds, script_of
from rollouts.sandbox.node.statuses import pod_status
from tests.sandbox.a_pod import NOON, Json, a_pod, annotated, at


def a_course(script: Script) -> Course:
    return Course(uid="u", address="127.128.0.9", admitted_at=NOON, script=script)


def fresh(pod: Json) -> Json:
    pod["status"] = {"phase": "Pending"}
    return pod


def conditions_of(status: Json) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def test_annotations_choose_the_course() -> None:
    """Each annotation has its place; durations may carry a unit."""
    pod = annotated(a_pod(), ready_after="500ms", run_for="2m", exit_code="3", stop_takes="4s")
    assert script_of(pod) == Script(ready_after=0.5, run_for=120.0, exit_code=3, stop_takes=4.0)
    assert script_of(annotated(a_pod(), ready_after="never")).ready_after is None


@pytest.mark.parametrize(
    ("name", "value"), [("ready_after", "soon"), ("exit_code", "256"), ("image", "gone"), ("run_for", "-1")]
)
def test_a_bad_annotation_is_named(name: str, value: str) -> None:
    """Bad input is refused with the annotation that carries it."""
    with pytest.raises(ScriptProblem, match=f"sandbox.rollouts.io/{name.replace('_', '-')}"):
        script_of(annotated(a_pod(), **{name: value}))


def test_pods_that_are_not_restarted_end_by_themselves() -> None:
    """A Job's pod needs no annotation to complete."""
    pod = a_pod()
    pod["spec"]["restartPolicy"] = "Never"
    course = a_course(script_of(pod))
    assert play(course, "Never", now=NOON) is None
    assert outcome(course.run, "Never") == "Succeeded"


def test_a_played_pod_becomes_ready_when_its_time_has_come() -> None:
    """Before that, the node is told when to look again."""
    course = a_course(Script(ready_after=3.0))
    assert play(course, "Always", now=NOON) == at(3)
    assert course.run is not None and not course.run.is_ready
    assert play(course, "Always", now=at(3)) is None
    assert course.run.is_ready


def test_a_crash_loop_backs_off_as_a_kubelet_does() -> None:
    """The first restart comes at once, then after 10 s, 20 s, 40 s; a late look finds the same course."""
    course = a_course(Script(run_for=1.0, exit_code=1))
    looks: list[datetime] = []
    now = NOON
    for _ in range(6):
        upcoming = play(course, "Always", now=now)
        assert upcoming is not None
        looks.append(upcoming)
        now = upcoming
    assert looks == [at(1), at(2), at(12), at(13), at(33), at(34)]
    late = a_course(Script(run_for=1.0, exit_code=1))
    late.begin(NOON)
    assert play(late, "Always", now=at(33.5)) == at(34)
    assert late.restarts == 3


def test_a_run_that_failed_is_a_crash_loop_in_the_status() -> None:
    """Waiting in CrashLoopBackOff, with the last end on record, and not ready."""
    course = a_course(Script(run_for=1.0, exit_code=1))
    for seconds in range(4):
        play(course, "Always", now=at(seconds))
    status = pod_status(fresh(a_pod()), course, node_address="127.0.0.2", now=at(3))
    (container,) = status["containerStatuses"]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert container["restartCount"] == 1
    assert conditions_of(status)["Ready"] == "False"
    assert status["phase"] == "Running"


def test_a_ready_pod_has_all_conditions() -> None:
    """As a kubelet writes them, with the pod's own address."""
    course = a_course(Script())
    play(course, "Always", now=NOON)
    status = pod_status(fresh(a_pod()), course, node_address="127.0.0.2", now=NOON)
    assert set(conditions_of(status).values()) == {"True"}
    assert status["podIP"] == "127.128.0.9"
    assert status["containerStatuses"][0]["state"] == {"running": {"startedAt": stamp(NOON)}}


def test_a_closed_readiness_gate_keeps_the_pod_unready() -> None:
    """The containers are ready, the pod is not until somebody sets the gate's condition."""
    pod = fresh(a_pod())
    pod["spec"]["readinessGates"] = [{"conditionType": "example.com/ok"}]
    course = a_course(Script())
    play(course, "Always", now=NOON)
    closed = pod_status(pod, course, node_address="127.0.0.2", now=NOON)
    assert (conditions_of(closed)["ContainersReady"], conditions_of(closed)["Ready"]) == ("True", "False")
    pod["status"] = closed
    closed["conditions"].append({"type": "example.com/ok", "status": "True"})
    opened = pod_status(pod, course, node_address="127.0.0.2", now=at(5))
    ready = next(condition for condition in opened["conditions"] if condition["type"] == "Ready")
    assert (ready["status"], ready["lastTransitionTime"]) == ("True", stamp(at(5)))
    assert conditions_of(opened)["example.com/ok"] == "True"


def test_nothing_to_say_leaves_the_status_equal() -> None:
    """A second look at an unchanged pod writes nothing."""
    pod, course = fresh(a_pod()), a_course(Script())
    play(course, "Always", now=NOON)
    pod["status"] = pod_status(pod, course, node_address="127.0.0.2", now=NOON)
    assert pod_status(pod, course, node_address="127.0.0.2", now=at(60)) == pod["status"]


def test_a_new_node_goes_on_where_the_old_one_was() -> None:
    """Start time and restarts come from the status."""
    pod, course = fresh(a_pod()), a_course(Script(ready_after=10.0))
    play(course, "Always", now=NOON)
    status = pod_status(pod, course, node_address="127.0.0.2", now=NOON)
    again = a_course(Script(ready_after=10.0))
    resumed(again, status)
    assert again.run == Run(started_at=NOON)


@pytest.mark.parametrize(
    ("hook", "seconds"),
    [
        ({"sleep": {"seconds": 5}}, 5.0),
        ({"exec": {"command": ["sleep", "2.5"]}}, 2.5),
        ({"exec": {"command": ["/bin/sh", "-c", "sleep 7"]}}, 7.0),
        ({"exec": {"command": ["nginx", "-s", "quit"]}}, 0.0),
        ({}, 0.0),
    ],
)
def test_sleeping_hooks_count(hook: Json, seconds: float) -> None:
    """In every form in which manifests write them."""
    pod = a_pod()
    pod["spec"]["containers"][0]["lifecycle"] = {"preStop": hook}
    assert pre_stop_seconds(pod) == seconds


def test_a_probe_may_name_its_port() -> None:
    """The container's ports resolve the name; the pod's address is the default host."""
    container = a_pod()["spec"]["containers"][0]
    container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    probe = probe_of(container, "readinessProbe", address="127.128.0.9")
    assert probe is not None
    assert (probe.host, probe.port, probe.path, probe.period) == ("127.128.0.9", 8080, "/healthz", 1.0)
    assert probe_of(container, "livenessProbe", address="127.128.0.9") is None


def test_variables_expand_as_in_a_container() -> None:
    """Known names are replaced, unknown ones stay, a doubled dollar is one."""
    assert expanded("--v=$(V) $(W) $$(V)", {"V": "2"}) == "--v=2 $(W) $(V)"


def test_fields_of_the_pod_can_be_referred_to() -> None:
    """Name, address, labels; anything else is a problem with its path."""
    pod = a_pod()
    assert field(pod, "metadata.name", address="a") == "web-1"
    assert field(pod, "status.podIP", address="127.128.0.9") == "127.128.0.9"
    assert field(pod, "metadata.labels['app']", address="a") == "web"
    with pytest.raises(ConfigProblem, match="hostIPC"):
        field(pod, "spec.hostIPC", address="a")

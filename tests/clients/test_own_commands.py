"""Our own commands send what the kubectl plugin sends, and nothing where that would come to nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rollouts.api import parse
from rollouts.api.rollout import Rollout
from rollouts.ctl import steering
from rollouts.ctl.steering import Answer, Refused, Steer
from tests.builders import Json
from tests.clients import argocd, plugin
from tests.clients.phases import a_world, every_phase
from tests.clients.wire import Request
from tests.world import World

OWN: Mapping[str, Callable[[Rollout], Answer]] = {
    "abort": steering.abort,
    "retry": steering.retry,
    "pause": steering.pause,
    "promote": steering.promote,
    "promote --full": lambda rollout: steering.promote(rollout, is_full=True),
    "resume": steering.resume,
}
THEIRS: Mapping[str, Callable[[Json], list[Request]]] = {
    **plugin.COMMANDS,
    "resume": lambda rollout: argocd.clicked("resume", rollout) if "resume" in argocd.offered(rollout) else [],
}


@every_phase
@pytest.mark.parametrize("command", OWN, ids=lambda command: command.replace(" --", "-"))
def test_the_same_is_sent_or_nothing_would_come_of_it(strategy: str, phase: str, command: str) -> None:
    """Patch by patch; a command that sends nothing says why, and the plugin's request would have changed nothing."""
    world = a_world(strategy, phase)
    sent = THEIRS[command](copy.deepcopy(world.rollout))
    own = OWN[command](parse.parse_rollout(copy.deepcopy(world.rollout)).value)
    if isinstance(own, Steer):
        bodies = [{"status": dict(own.status)}] if own.status else []
        bodies += [{"spec": dict(own.spec)}] if own.spec else []
        assert bodies == [request.body for request in sent]
        return
    assert own.why
    if isinstance(own, Refused) and (strategy, phase) == ("blue-green", "inconclusive"):
        return  # theirs would measure again without saying so; ours asks to say `resume`, or `--full`
    before, told = copy.deepcopy(world.status), len(world.story)
    _receive(world, sent)
    world.settle()
    assert world.status == before
    assert len(world.story) == told


def _receive(world: World, sent: list[Request]) -> None:
    for request in sent:
        body: Any = request.body
        (world.patch_status(body["status"]) if request.subresource else world.edit(body))

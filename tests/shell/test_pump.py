"""The watch pump: it goes on whatever ends kopf, and knows for how long nothing was watched."""

from __future__ import annotations

import asyncio
from typing import Any

import kopf
import pytest

from rollouts.kube.client import ConfigurationError, Credentials
from rollouts.kube.kinds import ROLLOUTS
from rollouts.runtime import pump
from rollouts.runtime.pump import Pump, Scope

STARTS = 3


async def no_login() -> Credentials:
    raise ConfigurationError("not needed here")


async def test_a_start_alone_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watches that fail again and again are down since the first failure, for the liveness probe to see."""
    downs: list[float] = []
    loop, has_failed = asyncio.get_running_loop(), asyncio.Event()

    async def fails(**_: Any) -> None:
        downs.append(watches.down_seconds())
        if len(downs) == STARTS:
            loop.call_soon_threadsafe(has_failed.set)
        raise RuntimeError("whatever ends it")

    monkeypatch.setattr(kopf, "operator", fails)
    monkeypatch.setattr(pump, "RESTART_PAUSE_SECONDS", 0.001)
    scope = Scope(kinds=(ROLLOUTS,), namespace="", instance_id="")
    watches = Pump(scope, login=no_login, deliver=lambda event: None, refused=lambda kind: None)
    watches.start()
    await has_failed.wait()
    await watches.stop()
    assert 0 < downs[0] < downs[1] < downs[2] < watches.down_seconds()

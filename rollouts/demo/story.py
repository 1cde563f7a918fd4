"""The story: v1 serves, a good v2 takes over in steps, a bad v3 is found out and goes, v2 serves on.

The demo plays two people: one who releases versions by changing the Rollout, and one who looks at v2 half way and
promotes it. All else is the controller's doing; the story waits until it sees it, counts who answers meanwhile, and
gives up when what should happen does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from rollouts.demo.manifests import NAME, NAMESPACE, PORT, REPLICAS, SUCCESS_RATE_MIN, V1, V2, V3, Version, rollout
from rollouts.demo.outcome import Counted, differences
from rollouts.demo.picture import Mark, Picture, paint
from rollouts.demo.screen import FRAMES_PER_SECOND, MARK_OF, Screen
from rollouts.demo.sight import ROLLOUTS, Happening
from rollouts.demo.stage import Stage
from rollouts.demo.traffic import Address, Tally, Traffic, User
from rollouts.sandbox.kinds import SERVICES

REQUESTS_PER_SECOND = 60
PATIENCE_SECONDS = 60.0  # for one thing to happen
SETTLE_SECONDS = 1.0  # until users with a kept connection have come back through the balancer
COUNT_SECONDS = 6.0  # a share is that of so many seconds in which the weight did not move
WHOLE_COUNT_SECONDS = 4.0  # where one version has it all, every answer is proof
WHOLE = 100.0
PROMOTE = ("rollouts.io/promote", "step v2 looks good")
TOLD = ("RolloutStepCompleted", "RolloutPaused", "RolloutCompleted", "RolloutAborted", "VerbDone", "VerbRefused")


class StoryStuck(Exception):
    """Something that should happen did not; the text says what, and what the rollout says."""


class Story:
    """One telling; an async context manager around its traffic and its live view.

    `began` is a time of the event loop's clock, as all times here.
    """

    def __init__(self, stage: Stage, screen: Screen, began: float) -> None:
        self.stage = stage
        self.tally = Tally()
        self.address: Address = ("", 0)
        """The Service's."""
        self._screen = screen
        self._began = began
        self._counted: list[Counted] = []
        self._chapter = ""
        self._version = V1
        self._told: set[str] = set()
        self._measured = 0
        self._traffic = AsyncExitStack()
        self._narrator: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._narrator = asyncio.create_task(self._narrate())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end_traffic()
        if self._narrator is not None:
            self._narrator.cancel()
            await asyncio.gather(self._narrator, return_exceptions=True)

    async def tell(self) -> None:
        """Tell it to its end; the traffic goes on. Raises StoryStuck when it does not go on, ApiFailure."""
        await self._first_version()
        await self._good_version()
        await self._bad_version()

    async def end_traffic(self) -> None:
        """End the traffic; requests on their way are still answered and counted."""
        await self._traffic.aclose()

    def differences(self) -> list[str]:
        """What did not come out as it should; empty when the story came out."""
        return differences(self.stage.sight, self.tally, self._counted)

    async def _first_version(self) -> None:
        await self._release(V1, f"v1 is released: {REPLICAS} pods, and no steps for a first version")
        sight = self.stage.sight
        await self._until("v1 to be healthy", lambda: sight.phase == "Healthy")
        service = await self.stage.api.get(SERVICES, (NAMESPACE, NAME))
        self.address = service["spec"]["clusterIP"], PORT
        await self._until_served()
        traffic = await self._traffic.enter_async_context(Traffic(self.address, per_second=REQUESTS_PER_SECOND))
        self.tally = traffic.tally
        self._head(f"v1 serves {REQUESTS_PER_SECOND} requests a second through the Service")
        await self._count("v1", WHOLE)

    async def _good_version(self) -> None:
        sight = self.stage.sight
        await self._release(V2, "v2 is released, a good version")
        await self._until("v2's analysis to begin", lambda: sight.run_of("v2") is not None)
        await self._count("v2", 25.0)
        await self._until("v2's analysis to end", lambda: sight.step > 1)
        await self._until("the pause at 50 %", lambda: sight.step == 3 and sight.is_paused)
        await self._count("v2", 50.0)
        self._screen.say(
            self._seconds, f"a person annotates the Rollout: {PROMOTE[0]}='{PROMOTE[1]}'", style="bold cyan"
        )
        await self.stage.annotate(*PROMOTE)
        await self._until("the pause at 75 %", lambda: sight.step == 5 and sight.is_paused)
        await self._count("v2", 75.0)
        await self._until("v2 to be stable", lambda: sight.phase == "Healthy" and sight.are_steps_done)
        await self._count("v2", WHOLE)

    async def _bad_version(self) -> None:
        sight = self.stage.sight
        await self._release(V3, f"v3 is released, a bad version: {V3.error_rate:.0%} of its answers are errors")
        await self._until("v3's analysis to begin", lambda: sight.run_of("v3") is not None)
        await self._count("v3", 25.0)
        await self._until("v3 to be aborted", lambda: bool(sight.status.get("abort")))
        self._head("v3 is aborted by its analysis; v2 serves on")
        await self._until("v3's pods to be gone", lambda: {p.version for p in sight.pods() if p.available} == {"v2"})
        await self._count("v2", WHOLE)

    async def _release(self, version: Version, text: str) -> None:
        self._version, self._measured = version, 0
        self._head(text)
        await self.stage.apply(ROLLOUTS, rollout(version))

    async def _count(self, version: str, expected: float) -> None:
        """Count a version's share over the next seconds."""
        seconds = WHOLE_COUNT_SECONDS if expected == WHOLE else COUNT_SECONDS
        await asyncio.sleep(SETTLE_SECONDS + seconds)
        share = self.tally.shares(now=self._now, seconds=seconds).get(version)
        counted = Counted(version, expected, share.percent if share else 0.0)
        self._counted.append(counted)
        self._screen.say(self._seconds, f"counted: {counted.percent:.1f} % of the requests were answered by {version}")

    async def _until_served(self) -> None:
        """Until the balancer has heard of the Service: a cluster takes a moment, and so do its users."""
        probe = Tally()
        user = User(self.address, probe, keeps_connection=False)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not probe.requests:
                await user.request()
                await asyncio.sleep(0.1)

    async def _until(self, what: str, holds: Callable[[], bool]) -> None:
        changed = self.stage.sight.changed
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not holds():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            sight = self.stage.sight
            says = f"step {sight.step}, {sight.phase or 'no phase yet'}: {sight.explanation or 'nothing'}"
            raise StoryStuck(f"waited {PATIENCE_SECONDS:.0f} s for {what}; the rollout says: {says}") from None

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def _seconds(self) -> float:
        return self._now - self._began

    def _head(self, text: str) -> None:
        self._chapter = text
        self._screen.chapter(self._seconds, text)

    async def _narrate(self) -> None:
        """Say what happens as it happens, and keep the live view moving."""
        while True:
            self._say_measurements()
            self._say_happenings()
            self._screen.show(self._picture())
            await asyncio.sleep(1.0 / FRAMES_PER_SECOND)

    def _say_happenings(self) -> None:
        for happening in self.stage.sight.happenings():
            if happening.uid not in self._told:
                self._told.add(happening.uid)
                self._say_happening(happening)

    def _say_happening(self, happening: Happening) -> None:
        if happening.about != "Rollout" or happening.reason not in TOLD:
            return
        mark = Mark.FAILED if happening.is_warning else Mark.DONE
        self._screen.say(self._seconds, happening.message, mark=mark)

    def _say_measurements(self) -> None:
        run = self.stage.sight.run_of(self._version.name)
        if run is None:
            return
        for found in run.measured[self._measured :]:
            text = (
                f"{found.phase}: success rate of {self._version.name} {found.text}, wanted {SUCCESS_RATE_MIN} or more"
            )
            self._screen.say(self._seconds, text, mark=MARK_OF.get(found.phase, Mark.NOW))
        self._measured = len(run.measured)

    def _picture(self) -> Picture:
        return paint(
            self.stage.sight,
            self.tally,
            chapter=self._chapter,
            version=self._version.name,
            seconds=self._seconds,
            now=self._now,
        )

"""How the story came out: a line for each version, and every difference from the story as it should be. Pure.

Who decided what is read from the cluster: the Rollout's record of verbs, its Events, and the AnalysisRuns. A difference
is a sentence that says what should have been and what was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollouts.demo.manifests import MANAGER, V1, V2, V3
from rollouts.demo.sight import Sight
from rollouts.demo.traffic import Tally

SHARE_TOLERANCE = 10.0  # percentage points; the shares are counted in a few seconds
DECIDING = ("RolloutCompleted", "RolloutAborted")


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided, and what and why."""

    who: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One version in the table."""

    version: str
    requests: int
    errors: int
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """The share of a version, counted while the Rollout held its weight."""

    version: str
    expected: float
    percent: float


def lines(sight: Sight, tally: Tally) -> list[Line]:
    """The table, oldest version first."""
    versions = (version.name for version in (V1, V2, V3))
    return [
        Line(
            version=version,
            requests=tally.requests[version],
            errors=tally.errors[version],
            decisions=tuple(_decisions(sight, version)),
        )
        for version in versions
    ]


def _decisions(sight: Sight, version: str) -> Iterator[Decision]:
    run = sight.run_of(version)
    if run is not None:
        values = ", ".join(measured.text for measured in run.measured)
        yield Decision(f"AnalysisRun {run.name}", f"{run.phase}: success rate {values}")
    for record in sight.status.get("verbs") or ():
        if version == V2.name and record.get("requestedBy") == MANAGER:
            yield Decision(MANAGER, f"{record['verb']} {record['value']}: {record['message']}")
    hash_, revision = sight.hash_of(version), sight.revision_of(version)
    for happening in sight.happenings():
        is_about = f"({hash_})" in happening.message or f"revision {revision}:" in happening.message
        if happening.reason in DECIDING and hash_ and is_about:
            yield Decision(happening.source, happening.message)


def differences(sight: Sight, tally: Tally, counted: Sequence[Counted]) -> list[str]:
    """What did not come out as it should; empty when the story came out."""
    return [*_versions(sight), *_requests(tally), *share_differences(counted)]


def _versions(sight: Sight) -> Iterator[str]:
    status: Mapping[str, object] = sight.status
    wanted = sight.hash_of(V2.name)
    if not wanted or status.get("stableRS") != wanted:
        yield f"v2 should be stable; the stable version is {status.get('stableRS')!r}, v2 is {wanted!r}"
    run = sight.run_of(V3.name)
    if run is None or run.phase != "Failed":
        yield f"v3's analysis should have failed; it is {run.phase if run else 'not there'}"
    if not status.get("abort"):
        yield f"v3 should have been aborted; the rollout is {sight.phase}: {sight.explanation}"
    good = sight.run_of(V2.name)
    if good is None or good.phase != "Successful":
        yield f"v2's analysis should have been successful; it is {good.phase if good else 'not there'}"
    for pods in sight.pods():
        expected = pods.version == V2.name
        if (pods.available > 0) != expected:
            yield f"only v2 should have pods at the end; {pods.version} has {pods.available}"


def _requests(tally: Tally) -> Iterator[str]:
    if tally.failures:
        causes = "; ".join(sorted(set(tally.failures))[:3])
        yield f"every request should be answered; {len(tally.failures)} were not: {causes}"
    for version in (V1.name, V2.name):
        if not tally.requests[version]:
            yield f"{version} should have answered requests; it answered none"
        if tally.errors[version]:
            yield f"{version} should answer without errors; {tally.errors[version]} of its answers were errors"
    if not tally.errors[V3.name]:
        yield f"v3 should answer some requests with errors; it answered {tally.requests[V3.name]} with none"


def share_differences(counted: Sequence[Counted]) -> Iterator[str]:
    """The shares that are far from the weight that the Rollout held meanwhile."""
    for share in counted:
        if abs(share.percent - share.expected) > SHARE_TOLERANCE:
            wanted = f"{share.version} should get {share.expected:.0f} % of the requests"
            yield f"{wanted}; counted {share.percent:.1f} %"

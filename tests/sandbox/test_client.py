"""The sandbox's own API client: where it finds a cluster, and what it makes of answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from rollouts.sandbox.client import ApiClient, ApiFailure, Connection
from rollouts.sandbox.kinds import CONFIG_MAPS, NAMESPACES, PODS, key_of
from rollouts.sandbox.loopback import AddressPool, check_bindable, claim
from tests.sandbox.ground import Ground


async def test_a_kubeconfig_leads_to_the_cluster(ground: Ground) -> None:
    """Address, token and, where there is one, the certificate authority."""
    async with ApiClient(Connection.from_kubeconfig(ground.kubeconfig)) as api:
        assert key_of(await api.get(NAMESPACES, ("", "default"))) == ("", "default")


def test_a_kubeconfig_without_its_context_is_refused(tmp_path: Path) -> None:
    """The problem names the section and the entry."""
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump({"current-context": "gone", "contexts": []}))
    with pytest.raises(ValueError, match="contexts has no entry named 'gone'"):
        Connection.from_kubeconfig(path)


async def test_refusals_carry_code_reason_and_message(ground: Ground) -> None:
    """A missing object, a taken name."""
    async with ApiClient(Connection.from_kubeconfig(ground.kubeconfig)) as api:
        with pytest.raises(ApiFailure) as missing:
            await api.get(PODS, ("default", "gone"))
        assert missing.value.is_not_found
        assert missing.value.message == 'pods "gone" not found'
        with pytest.raises(ApiFailure) as taken:
            await api.create(NAMESPACES, "", {"metadata": {"name": "default"}})
        assert taken.value.is_taken


async def test_a_cluster_that_is_not_there_is_no_absence() -> None:
    """Nothing was answered, so nothing is known."""
    async with ApiClient(Connection(url="http://127.0.0.1:1")) as api:
        with pytest.raises(ApiFailure) as failure:
            await api.get(PODS, ("default", "web"))
        assert failure.value.code == 0
        assert not failure.value.is_not_found


async def test_lists_are_read_to_their_last_page_and_watches_in_whole_lines(ground: Ground) -> None:
    """More objects than a page holds, and an event larger than any buffer."""
    async with ApiClient(Connection.from_kubeconfig(ground.kubeconfig)) as api:
        name = "paged"
        await api.create(NAMESPACES, "", {"metadata": {"name": name}})
        bodies = [{"metadata": {"name": f"map-{number}"}} for number in range(520)]
        await asyncio.gather(*(api.create(CONFIG_MAPS, name, body) for body in bodies))
        items, version = await api.list(CONFIG_MAPS)
        assert len([item for item in items if key_of(item)[0] == name]) == 520
        large = "x" * 500_000
        await api.create(CONFIG_MAPS, name, {"metadata": {"name": "large"}, "data": {"text": large}})
        async for event in api.watch(CONFIG_MAPS, version):
            if key_of(event["object"]) == (name, "large"):
                assert event["object"]["data"]["text"] == large
                break
        await api.request("DELETE", CONFIG_MAPS.collection(name))
        await api.delete(NAMESPACES, ("", name))


def test_clusters_claim_ranges_of_their_own() -> None:
    """Pods and Services of one do not overlap, and nobody gets a range that is claimed."""
    one, other = claim(), claim()
    try:
        assert not one.network.overlaps(other.network)
        assert not one.pods.overlaps(one.services)
        with pytest.raises(OSError, match="in use"):
            claim([one.network, other.network])
        check_bindable(str(one.pods.network_address + 1))
    finally:
        one.close()
        other.close()


def test_an_address_is_not_given_out_again_soon() -> None:
    """The fresh ones come first, then the one that was given back longest ago."""
    block = claim()
    block.close()
    small = next(block.network.subnets(new_prefix=29))
    pool = AddressPool(small)
    first, second = pool.take(), pool.take()
    pool.give_back(first)
    pool.give_back(second)
    assert pool.take() not in (first, second)
    while (address := pool.take()) != first:
        assert address != second
    assert pool.take() == second
    with pytest.raises(LookupError):
        pool.take()

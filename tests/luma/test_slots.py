"""The fair queue in front of the connections."""

import asyncio

import pytest

from luma_mcp.errors import Unavailable
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo
from luma_mcp.luma.sending import Call
from luma_mcp.luma.transport import BearerKey
from tests.luma.upstream import Line, Scene, answering, open_sender, playing

BOAT = CreateVideo(model="ray-2", prompt="A paper boat")
KEY = BearerKey("luma-key")


def held_until(gate: asyncio.Event, arrived: asyncio.Event) -> Scene:
    answer = answering(200, {})

    async def scene(line: Line) -> None:
        arrived.set()
        await gate.wait()
        await answer(line)

    return scene


async def test_a_call_that_gets_no_slot_in_time_is_unavailable_and_sends_nothing() -> None:
    slots = asyncio.Semaphore(0)
    async with (
        playing(answering(201)) as upstream,
        open_sender(upstream.url, timeout_seconds=0.1, slots=slots) as sender,
    ):
        with pytest.raises(Unavailable, match="too busy to reach Luma; nothing was sent") as caught:
            await DreamMachine(sender, "luma-key").create_video(BOAT)
    assert upstream.connections == 0
    assert caught.value.retryable
    assert caught.value.advice == "Make the same call again in a minute."


async def test_a_call_that_gave_up_waiting_takes_no_slot_later() -> None:
    slots = asyncio.Semaphore(0)
    async with (
        playing(answering(200, {})) as upstream,
        open_sender(upstream.url, timeout_seconds=0.1, slots=slots) as sender,
    ):
        with pytest.raises(Unavailable):
            await sender.send(Call("GET", "/ping"), KEY)
        slots.release()
    assert not slots.locked()


async def test_every_way_a_call_ends_gives_its_slot_back() -> None:
    slots = asyncio.Semaphore(1)
    scenes = (answering(200, {}), answering(400), answering(200, b"", length=9), answering(307))
    async with playing(*scenes) as upstream, open_sender(upstream.url, slots=slots) as sender:
        await sender.send(Call("POST", "/x", body=b"{}"), KEY)
        for _ in scenes[1:]:
            with pytest.raises(Exception, match="Luma"):
                await sender.send(Call("POST", "/x", body=b"{}"), KEY)
    assert not slots.locked()


async def test_a_cancelled_call_gives_its_slot_back() -> None:
    gate, arrived, slots = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(1)
    async with (
        playing(held_until(gate, arrived), answering(200, {})) as upstream,
        open_sender(upstream.url, slots=slots) as sender,
    ):
        call = asyncio.create_task(sender.send(Call("GET", "/slow"), KEY))
        await arrived.wait()
        assert slots.locked()
        call.cancel()
        await asyncio.wait([call])
        gate.set()
        assert call.cancelled()
        assert (await sender.send(Call("GET", "/next"), KEY)).status == 200
    assert not slots.locked()


async def test_a_call_cancelled_in_the_queue_leaves_no_gap() -> None:
    gate, arrived, slots = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(1)
    async with (
        playing(held_until(gate, arrived), answering(200, {})) as upstream,
        open_sender(upstream.url, slots=slots) as sender,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(sender.send(Call("GET", "/first"), KEY))
        await arrived.wait()
        queued = group.create_task(sender.send(Call("GET", "/never"), KEY))
        group.create_task(sender.send(Call("GET", "/last"), KEY))
        await asyncio.sleep(0)
        queued.cancel()
        gate.set()
    assert [seen.target for seen in upstream.seen] == ["/first", "/last"]


async def test_slots_are_given_first_come_first_served() -> None:
    gate, arrived = asyncio.Event(), asyncio.Event()
    paths = [f"/{number}" for number in range(8)]
    async with (
        playing(held_until(gate, arrived), answering(200, {})) as upstream,
        open_sender(upstream.url, slots=asyncio.Semaphore(1)) as sender,
        asyncio.TaskGroup() as group,
    ):
        for path in paths:
            group.create_task(sender.send(Call("GET", path), KEY))
        await arrived.wait()
        gate.set()
    assert [seen.target for seen in upstream.seen] == paths


async def test_a_pause_holds_no_slot() -> None:
    slots = asyncio.Semaphore(1)
    locked: list[bool] = []

    class Watching(list[float]):
        def append(self, seconds: float) -> None:
            super().append(seconds)
            locked.append(slots.locked())

    pauses = Watching()
    scenes = (answering(503), answering(200, {}))
    async with playing(*scenes) as up, open_sender(up.url, pauses, slots=slots) as sender:
        await sender.send(Call("GET", "/ping"), KEY)
    assert (pauses, locked) == ([0.5], [False])

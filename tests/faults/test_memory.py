"""Memory stays flat, however often and however heavily the upstream misbehaves."""

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.faults.matrix import HASTY_SECONDS, USUAL, Row
from tests.faults.scenes import bomb, drip, pour_chunks, pour_declared, stall_after_the_head
from tests.faults.stage import Stage, staged
from tests.luma.test_sending import reset_when_read
from tests.luma.upstream import Scene

MB = 1024 * 1024
HEAVY = (pour_declared, pour_chunks, bomb, drip, stall_after_the_head, reset_when_read)
# An answer at its cap, packed and unpacked, and each once more while it is put together.
MOST_OF_A_CALL = (8 + 8) * 2 * MB
ROUNDS = 2


@pytest.fixture
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def suffer(stage: Stage, scene: Scene) -> int:
    """Let a paid call meet a heavy fault; gives the most memory that it took."""
    before = memory()
    tracemalloc.reset_peak()
    stage.play(scene)
    assert (await stage.call("create_generation")).is_error
    await stage.talks_end()
    stage.upstream.seen.clear()
    return tracemalloc.get_traced_memory()[1] - before


@pytest.mark.usefixtures("_traced")
async def test_nothing_of_heavy_faults_is_kept_and_no_call_takes_more_than_a_bound() -> None:
    row = Row("Heavy", (stall_after_the_head,), *(USUAL.reads,) * 4, seconds=HASTY_SECONDS)
    async with staged(row) as stage:
        for scene in HEAVY:
            await suffer(stage, scene)
        before, tasks = memory(), len(asyncio.all_tasks())
        most = [await suffer(stage, scene) for scene in HEAVY * ROUNDS]
        assert max(most) < MOST_OF_A_CALL
        assert memory() - before < 2 * MB
        assert len(asyncio.all_tasks()) <= tasks
        await stage.can_stop()

"""An error that was answered keeps nothing of Luma's answer, not even until it is collected."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.faults.scenes import bomb, pour_declared
from tests.faults.stage import Stage
from tests.luma.upstream import Scene, answering

MB = 1024 * 1024


@pytest.fixture
def _traced_and_uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


@pytest.mark.usefixtures("_traced_and_uncollected")
@pytest.mark.parametrize("tool", ["create_generation", "get_generation", "wait_for_generation"])
@pytest.mark.parametrize("scene", [pour_declared, bomb, answering(400, b"x" * 7 * MB)])
async def test_what_luma_said_goes_with_the_error(
    usual_stage: Stage, scene: Scene, tool: str
) -> None:
    await usual_stage.call("ping")
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(3):
        usual_stage.play(scene)
        assert (await usual_stage.call(tool)).is_error
        await usual_stage.talks_end()
    assert tracemalloc.get_traced_memory()[0] - before < 4 * MB

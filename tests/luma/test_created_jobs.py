"""Once a job may exist, its id is not lost, and no other id is taken for it."""

import json

import pytest

from luma_mcp.errors import BadResponse, LumaMcpError, TimedOut, Unavailable
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo, GenerationKeyframe, Keyframes
from tests.luma.upstream import Line, Scene, answer_of, answering, open_sender, playing
from tests.messages import MAY_EXIST

JOB = "0b9f0a52-2f0e-4a43-8b43-4a8b9a3f0c01"
CLIP = "aaaaaaaa-1b2c-4d3e-8f90-abcdefabcdef"
PLAIN = CreateVideo(model="ray-2", prompt="A paper boat")


def extending(clip: str) -> CreateVideo:
    frames = Keyframes(frame0=GenerationKeyframe(id=clip))
    return CreateVideo(model="ray-2", prompt="It sails on", keyframes=frames)


async def error_of(scene: Scene, request: CreateVideo = PLAIN) -> LumaMcpError:
    async with playing(scene) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(LumaMcpError) as caught:
            await DreamMachine(sender, "luma-key").create_video(request)
        assert len(upstream.seen) == 1
        return caught.value


ODD = {
    "wrong type": json.dumps({"id": JOB, "state": 7}).encode(),
    "wrapped": json.dumps({"generation": {"id": JOB}}).encode(),
    "in a list": json.dumps([{"id": JOB}]).encode(),
    "no JSON": f'"id" : "{JOB}" and so on'.encode(),
    "not UTF-8": b'{"id": "' + JOB.encode() + b'", "state": "\xff"}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_the_id_is_rescued_from_an_odd_answer(body: bytes) -> None:
    error = await error_of(answering(201, body))
    assert isinstance(error, BadResponse)
    assert (error.generation_id, error.advice, error.retryable) == (JOB, MAY_EXIST, False)


async def test_the_id_is_rescued_from_a_truncated_answer() -> None:
    error = await error_of(answering(201, f'{{"id": "{JOB}", "sta'.encode(), length=500))
    assert isinstance(error, BadResponse)
    assert (error.generation_id, error.advice) == (JOB, MAY_EXIST)


async def test_the_id_is_rescued_from_an_answer_beyond_the_cap() -> None:
    async def pour(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(201, f'{{"id": "{JOB}", "'.encode(), length=20_000_000))
        while True:
            await line.say(b"x" * 100_000)

    assert (await error_of(pour)).generation_id == JOB


async def test_the_id_is_rescued_from_a_fault_of_luma() -> None:
    error = await error_of(answering(500, {"detail": "late fault", "generation": {"id": JOB}}))
    assert isinstance(error, Unavailable)
    assert (error.generation_id, error.advice) == (JOB, MAY_EXIST)


async def test_the_id_is_rescued_from_an_answer_that_stalls_past_the_deadline() -> None:
    async def stall(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(201, f'{{"id": "{JOB}", '.encode(), length=500))
        await line.stall()

    async with playing(stall) as up, open_sender(up.url, timeout_seconds=0.2) as sender:
        with pytest.raises(TimedOut) as caught:
            await DreamMachine(sender, "luma-key").create_video(PLAIN)
    assert (caught.value.generation_id, caught.value.advice) == (JOB, MAY_EXIST)


@pytest.mark.parametrize("named", [CLIP, CLIP.upper()])
async def test_the_echoed_id_of_a_keyframe_is_not_taken_for_the_job(named: str) -> None:
    echo = f'{{"request": {{"keyframes": {{"frame0": {{"type": "generation", "id": "{CLIP}"}}'
    error = await error_of(answering(201, echo.encode(), length=500), extending(named))
    assert (error.generation_id, error.advice) == (None, MAY_EXIST)


async def test_the_job_is_found_behind_the_echoed_id_of_a_keyframe() -> None:
    echo = {"request": {"keyframes": {"frame0": {"type": "generation", "id": CLIP}}}, "x": 1}
    body = json.dumps(echo | {"id": JOB, "state": 7}).encode()
    assert (await error_of(answering(201, body), extending(CLIP))).generation_id == JOB


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"id": null}', b'{"id": ""}'])
async def test_a_success_without_an_id_says_that_the_job_may_exist(body: bytes) -> None:
    error = await error_of(answering(201, body))
    assert isinstance(error, BadResponse)
    assert (error.generation_id, error.advice, error.retryable) == (None, MAY_EXIST, False)


@pytest.mark.parametrize("status", [400, 404])
async def test_a_refusal_that_breaks_off_is_still_a_refusal(status: int) -> None:
    error = await error_of(answering(status, b'{"detail": "Prompt is to', length=500))
    assert isinstance(error, BadResponse)
    assert error.advice != MAY_EXIST


@pytest.mark.parametrize("status", [400, 422])
async def test_an_id_in_a_refusal_is_no_job(status: int) -> None:
    error = await error_of(answering(status, {"detail": f'"id": "{JOB}" is not completed'}))
    assert error.generation_id is None
    assert error.advice == "Change the arguments as the text says; nothing was spent."

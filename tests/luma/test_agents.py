"""The Agents API: no second charge, no lost id, and advice that is its own."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from luma_mcp.errors import (
    BadResponse,
    InsufficientCredits,
    InvalidRequest,
    KeyRejected,
    LumaMcpError,
    NotFound,
    RateLimited,
    TimedOut,
    Unavailable,
)
from luma_mcp.luma.agents import Agents
from luma_mcp.luma.agents_models import CreateFile, CreateGeneration, ImageRef, VideoOptions
from luma_mcp.luma.apis import AGENTS
from luma_mcp.luma.dream_machine import DreamMachine
from tests.luma.upstream import (
    Line,
    Scene,
    Upstream,
    answer_of,
    answering,
    open_sender,
    playing,
)

JOB = "0b9f0a52-2f0e-4a43-8b43-4a8b9a3f0c01"
CLIP = "aaaaaaaa-1b2c-4d3e-8f90-abcdefabcdef"
FILE = "3f0c01aa-2f0e-4a43-8b43-4a8b9a3f0c02"
BOAT = CreateGeneration(type="video", model="ray-3.2", prompt="A paper boat")
PICTURE = CreateFile(mime_type="image/png", size_bytes=4, filename="boat.png")
KEY = "luma-api-key-of-this-caller"


@asynccontextmanager
async def meeting(
    *scenes: Scene, path: str = "", pauses: list[float] | None = None, timeout_seconds: float = 30.0
) -> AsyncGenerator[tuple[Agents, Upstream]]:
    """Open the Agents API with a caller's key, in front of an upstream that plays these scenes."""
    async with playing(*scenes) as upstream:
        url = f"{upstream.url}{path}"
        async with open_sender(url, pauses, timeout_seconds=timeout_seconds, api=AGENTS) as sender:
            yield Agents(sender, KEY), upstream


async def error_of(
    call: Callable[[Agents], Awaitable[object]], *scenes: Scene, timeout_seconds: float = 30.0
) -> LumaMcpError:
    """The error of a call that goes out exactly once."""
    async with meeting(*scenes, timeout_seconds=timeout_seconds) as (luma, upstream):
        with pytest.raises(LumaMcpError) as caught:
            await call(luma)
        assert len(upstream.seen) == 1
    return caught.value


async def hang_up(line: Line) -> None:
    await line.hear()


async def reset(line: Line) -> None:
    await line.hear()
    line.reset()


DOUBTS = {
    "408": answering(408),
    "500": answering(500),
    "502": answering(502, {"detail": "Upstream service unavailable"}),
    "503": answering(503, {"detail": "Media URL ingestion is unavailable"}),
    "504": answering(504),
    "hang up": hang_up,
    "reset": reset,
    "redirect": answering(307, None, "Location: /elsewhere"),
    "cut off": answering(201, b'{"id": "', length=500),
    "no JSON": answering(201, b"<html>"),
    "empty": answering(201, b""),
    "no id": answering(201, {"state": "queued"}),
    "id of null": answering(201, {"id": None}),
}


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
async def test_a_job_in_doubt_is_not_ordered_again_and_cannot_be_looked_for_in_a_list(
    doubt: Scene,
) -> None:
    error = await error_of(lambda luma: luma.create(BOAT), doubt)
    assert (error.advice, error.retryable, error.generation_id) == (AGENTS.may_exist, False, None)
    assert "list_generations" not in error.advice


RESCUES = {
    "wrong type": (201, json.dumps({"id": JOB, "state": 7}).encode()),
    "wrapped": (201, json.dumps({"generation": {"id": JOB}}).encode()),
    "cut off": (201, f'{{"type": "video", "id": "{JOB}", "sta'.encode()),
    "a late fault": (500, json.dumps({"detail": "late fault", "id": JOB}).encode()),
    "behind the id of its start": (
        201,
        f'{{"source": {{"generation_id": "{CLIP}"}}, "id": "{JOB}", '.encode(),
    ),
}


@pytest.mark.parametrize(("status", "body"), RESCUES.values(), ids=RESCUES)
async def test_the_rescued_id_of_a_job_has_the_prefix_of_its_api(status: int, body: bytes) -> None:
    error = await error_of(lambda luma: luma.create(BOAT), answering(status, body, length=500))
    assert (error.generation_id, error.advice) == (f"agents:{JOB}", AGENTS.may_exist)


async def test_the_id_is_rescued_from_an_answer_that_stalls_past_the_deadline() -> None:
    async def stall(line: Line) -> None:
        await line.hear()
        await line.say(answer_of(201, f'{{"id": "{JOB}", '.encode(), length=500))
        await line.stall()

    error = await error_of(lambda luma: luma.create(BOAT), stall, timeout_seconds=0.2)
    assert isinstance(error, TimedOut)
    assert (error.generation_id, error.advice) == (f"agents:{JOB}", AGENTS.may_exist)


async def test_a_clip_that_the_request_names_is_not_taken_for_the_job() -> None:
    frame = ImageRef(generation_id=CLIP)
    request = BOAT.model_copy(update={"video": VideoOptions(start_frame=frame)})
    echo = answering(201, f'{{"video": {{"start_frame": {{"generation_id": "{CLIP}"'.encode())
    error = await error_of(lambda luma: luma.create(request), echo)
    assert (error.generation_id, error.advice) == (None, AGENTS.may_exist)


async def test_an_order_refused_with_429_goes_out_again_no_sooner_than_luma_says() -> None:
    pauses: list[float] = []
    busy = answering(429, {"detail": "Too many concurrent jobs"}, "Retry-After: 7")
    created = answering(201, {"id": JOB})
    async with meeting(busy, created, pauses=pauses) as (luma, upstream):
        assert (await luma.create(BOAT)).id == f"agents:{JOB}"
    assert pauses == [7.0]
    assert upstream.seen[0].body == upstream.seen[1].body


FREE: dict[str, Callable[[Agents], Awaitable[object]]] = {
    "begin_upload": lambda luma: luma.begin_upload(PICTURE),
    "upload": lambda luma: luma.upload(PICTURE, b"boat"),
    "complete_upload": lambda luma: luma.complete_upload(FILE),
}


@pytest.mark.parametrize("accident", [answering(503), answering(502), hang_up, reset])
@pytest.mark.parametrize("call", FREE.values(), ids=FREE)
async def test_a_file_costs_nothing_and_is_sent_again(
    call: Callable[[Agents], Awaitable[object]], accident: Scene
) -> None:
    taken = answering(201, {"id": FILE, "state": "pending"})
    async with meeting(accident, accident, taken) as (luma, upstream):
        await call(luma)
    first, *others = [(one.method, one.target, one.body) for one in upstream.seen]
    assert others == [first, first]


@pytest.mark.parametrize("call", FREE.values(), ids=FREE)
async def test_a_file_that_stays_in_doubt_is_no_job_that_may_exist(
    call: Callable[[Agents], Awaitable[object]],
) -> None:
    async with meeting(answering(503, {"id": JOB})) as (luma, upstream):
        with pytest.raises(Unavailable) as caught:
            await call(luma)
    error = caught.value
    assert (error.retryable, error.generation_id) == (True, None)
    assert error.advice == Unavailable.default_advice
    assert len(upstream.seen) == 3


REFUSALS = [
    (
        401,
        "API key has been revoked",
        KeyRejected,
        'Luma\'s Agents API does not accept the API key: "API key has been revoked"',
        (
            "Check the key in your client's settings: it may be mistyped, revoked, or made for "
            "another Luma product. Keys of the Agents API are made at https://platform.lumalabs.ai."
        ),
    ),
    (
        402,
        "Insufficient balance. Please add funds to continue.",
        InsufficientCredits,
        (
            "The Luma account has too few credits: "
            '"Insufficient balance. Please add funds to continue."'
        ),
        "Add funds to the account at platform.lumalabs.ai.",
    ),
    (
        403,
        "API client is suspended",
        KeyRejected,
        'Luma\'s Agents API does not allow this with the API key: "API client is suspended"',
        (
            "Check the key in your client's settings: it may be mistyped, revoked, or made for "
            "another Luma product. Keys of the Agents API are made at https://platform.lumalabs.ai."
        ),
    ),
    (
        404,
        "Generation not found",
        NotFound,
        'Luma\'s Agents API does not know this with your key: "Generation not found"',
        (
            "Check the id (list_files shows those of files); what an account made is visible to "
            "its own keys alone."
        ),
    ),
    (
        422,
        "image_ref[0]: failed to fetch URL",
        InvalidRequest,
        'Luma\'s Agents API refused the request (422): "image_ref[0]: failed to fetch URL"',
        "Change the arguments as the text says; nothing was spent.",
    ),
]


@pytest.mark.parametrize(("status", "detail", "kind", "message", "advice"), REFUSALS)
async def test_a_refusal_is_told_in_luma_s_words_with_the_way_out_of_this_api(
    status: int, detail: str, kind: type[LumaMcpError], message: str, advice: str
) -> None:
    refused = answering(status, {"detail": detail})
    error = await error_of(lambda luma: luma.create(BOAT), refused)
    assert type(error) is kind
    assert (error.message, error.advice, error.generation_id) == (message, advice, None)


async def test_a_limit_of_rate_tells_how_long_to_wait() -> None:
    busy = answering(429, {"detail": "Rate limit exceeded"}, "Retry-After: 60")
    error = await error_of(lambda luma: luma.create(BOAT), busy)
    assert isinstance(error, RateLimited)
    assert error.message.endswith(': "Rate limit exceeded"')
    assert (error.retry_after_seconds, error.retryable) == (60.0, True)


async def test_an_id_goes_out_bare_and_small_and_comes_back_with_its_prefix() -> None:
    completed = answering(200, {"id": JOB.upper(), "state": "completed"})
    async with meeting(completed) as (luma, upstream):
        job = await luma.get_generation(f"agents:{JOB.upper()}")
    assert upstream.seen[0].target == f"/generations/{JOB}"
    assert job.id == f"agents:{JOB}"


async def test_an_id_of_dream_machine_is_refused_before_it_is_sent() -> None:
    async with meeting(answering(200, {})) as (luma, upstream):
        with pytest.raises(InvalidRequest) as caught:
            await luma.get_generation(JOB)
    assert caught.value.message == (
        f"The generation {JOB} belongs to Luma's Dream Machine API, and this works only with "
        "those of its Agents API."
    )
    assert "begin with 'agents:'" in (caught.value.advice or "")
    assert upstream.connections == 0


async def test_an_id_of_the_agents_api_is_refused_by_dream_machine() -> None:
    async with playing(answering(204)) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(InvalidRequest) as caught:
            await DreamMachine(sender, KEY).delete_generation(f"agents:{JOB}")
    assert caught.value.message == (
        f"The generation agents:{JOB} belongs to Luma's Agents API, and this works only with "
        "those of its Dream Machine API."
    )
    assert "can neither delete, upscale nor add sound" in (caught.value.advice or "")
    assert upstream.connections == 0


NO_IDS = ["", "..", "../credits", FILE[:-1], f"{FILE}0", f"{FILE}\n", f"agents:{FILE}", "\uff15"]


@pytest.mark.parametrize("text", NO_IDS)
@pytest.mark.parametrize("method", ["complete_upload", "get_file", "delete_file"])
async def test_nothing_but_the_id_of_a_file_gets_into_a_path(method: str, text: str) -> None:
    async with meeting(answering(200, {})) as (luma, upstream):
        with pytest.raises(InvalidRequest, match="file_id is not the id of a file"):
            await getattr(luma, method)(text)
    assert upstream.connections == 0


async def test_a_new_job_keeps_its_prompt_which_luma_does_not_repeat() -> None:
    async with meeting(answering(201, {"id": JOB, "state": "queued"})) as (luma, _):
        job = await luma.create(BOAT)
    assert (job.api, job.id, job.prompt) == ("agents", f"agents:{JOB}", "A paper boat")


async def test_what_was_asked_for_is_known_where_the_answer_does_not_name_it() -> None:
    nameless = answering(200, {"state": "pending"})
    async with meeting(nameless) as (luma, _):
        job = await luma.get_generation(f"agents:{JOB.upper()}")
        seen = await luma.get_file(FILE.upper())
        taken_in = await luma.complete_upload(FILE.upper())
    assert (job.id, job.state) == (f"agents:{JOB}", "pending")
    assert (seen.id, seen.state) == (FILE, "pending")
    assert (taken_in.id, taken_in.state) == (FILE, "pending")


@pytest.mark.parametrize(
    "answer",
    [{"id": FILE, "state": "pending"}, {"file": {"id": FILE, "state": "pending"}, "upload": None}],
    ids=["at the top", "in the file"],
)
async def test_the_id_of_a_new_file_is_found_in_either_place(answer: object) -> None:
    async with meeting(answering(201, answer)) as (luma, _):
        file = await luma.upload(PICTURE, b"boat")
    assert (file.id, file.state) == (FILE, "pending")


@pytest.mark.parametrize("answer", [{}, {"file": {}}, {"id": "", "file": {"id": ""}}])
async def test_a_new_file_without_an_id_is_a_bad_response(answer: object) -> None:
    error = await error_of(lambda luma: luma.upload(PICTURE, b"boat"), answering(201, answer))
    assert isinstance(error, BadResponse)
    assert error.message == "Luma's answer holds no id of the new file."
    assert error.advice == BadResponse.default_advice


async def test_an_upload_that_is_to_go_nowhere_is_a_bad_response() -> None:
    answer = answering(201, {"id": FILE, "upload": {"method": "PUT"}})
    error = await error_of(lambda luma: luma.begin_upload(PICTURE), answer)
    assert isinstance(error, BadResponse)
    assert error.message == "Luma's answer does not say where to send the file."


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}"])
async def test_a_list_of_files_that_is_none_is_a_bad_response(answer: bytes) -> None:
    error = await error_of(lambda luma: luma.check_key(), answering(200, answer))
    assert isinstance(error, BadResponse)

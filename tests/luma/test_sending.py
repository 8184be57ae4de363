"""What goes wrong on the way to Luma, and what each method makes of it."""

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass

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
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import CreateVideo
from luma_mcp.luma.transport import MAX_ANSWER_BYTES, Interrupted
from tests.luma.upstream import Line, Scene, answer_of, answering, open_sender, playing
from tests.servers import bound_socket, url_of

ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
MAY_EXIST = (
    "The job may have been created and charged. Look for it with list_generations before you "
    "create it again."
)
ACTIONS: dict[str, Callable[[DreamMachine], Awaitable[object]]] = {
    "GET": lambda luma: luma.get_generation(ID),
    "DELETE": lambda luma: luma.delete_generation(ID),
    "POST": lambda luma: luma.create_video(CreateVideo(model="ray-2", prompt="A paper boat")),
}


async def reset_unread(line: Line) -> None:
    line.reset()


async def reset_when_read(line: Line) -> None:
    await line.hear()
    line.reset()


async def hang_up(line: Line) -> None:
    await line.hear()


async def talk_garbage(line: Line) -> None:
    await line.hear()
    await line.say(b"220 mail.example.org ESMTP\r\n\r\n")


async def stall(line: Line) -> None:
    await line.hear()
    await line.stall()


async def stall_in_the_body(line: Line) -> None:
    await line.hear()
    await line.say(answer_of(200, b'{"id"', length=1000))
    await line.stall()


async def pour_50_mb(line: Line) -> None:
    await line.hear()
    await line.say(answer_of(200, b"[", length=50_000_000))
    while True:
        await line.say(b" " * 100_000)


@dataclass(frozen=True)
class Wrong:
    """How a call ends, and how often it goes out: free ones, and a paid one."""

    scene: Scene
    error: type[LumaMcpError]
    free: int
    paid: int
    _: KW_ONLY
    retryable: bool = False
    doubt: bool = False


HTML = b"<html><h1>502 Bad Gateway</h1></html>"
CASES = {
    "reset before reading": Wrong(reset_unread, Unavailable, 3, 1, retryable=True, doubt=True),
    "reset after reading": Wrong(reset_when_read, Unavailable, 3, 1, retryable=True, doubt=True),
    "closed without answer": Wrong(hang_up, Unavailable, 3, 1, retryable=True, doubt=True),
    "garbage": Wrong(talk_garbage, Unavailable, 3, 1, retryable=True, doubt=True),
    "truncated": Wrong(answering(200, b"{", length=99), BadResponse, 3, 1, doubt=True),
    "50 MB": Wrong(pour_50_mb, BadResponse, 1, 1, doubt=True),
    "400": Wrong(answering(400), InvalidRequest, 1, 1),
    "401": Wrong(answering(401), KeyRejected, 1, 1),
    "402": Wrong(answering(402), InsufficientCredits, 1, 1),
    "403": Wrong(answering(403), KeyRejected, 1, 1),
    "404": Wrong(answering(404), NotFound, 1, 1),
    "408": Wrong(answering(408), Unavailable, 3, 1, retryable=True, doubt=True),
    "409": Wrong(answering(409), InvalidRequest, 1, 1),
    "422": Wrong(answering(422), InvalidRequest, 1, 1),
    "429": Wrong(answering(429), RateLimited, 3, 3, retryable=True),
    "429, no money": Wrong(
        answering(429, {"detail": "Insufficient credits"}), InsufficientCredits, 1, 1
    ),
    "500": Wrong(answering(500), Unavailable, 1, 1, retryable=True, doubt=True),
    "HTML 502": Wrong(answering(502, HTML), Unavailable, 3, 1, retryable=True, doubt=True),
    "503": Wrong(answering(503), Unavailable, 3, 1, retryable=True, doubt=True),
    "504": Wrong(answering(504), Unavailable, 3, 1, retryable=True, doubt=True),
    "999": Wrong(answering(999), BadResponse, 1, 1, doubt=True),
}


def check_error(error: LumaMcpError, method: str, wrong: Wrong) -> None:
    doubt = wrong.doubt and method == "POST"
    assert type(error) is wrong.error
    assert error.retryable is (wrong.retryable and not doubt)
    assert (error.advice == MAY_EXIST) is doubt


@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("wrong", CASES.values(), ids=CASES)
async def test_a_failure_is_one_error_after_as_many_requests_as_are_safe(
    wrong: Wrong, method: str
) -> None:
    times = wrong.paid if method == "POST" else wrong.free
    pauses: list[float] = []
    async with playing(wrong.scene) as upstream, open_sender(upstream.url, pauses) as sender:
        with pytest.raises(LumaMcpError) as caught:
            await ACTIONS[method](DreamMachine(sender, "luma-key"))
    check_error(caught.value, method, wrong)
    assert upstream.connections == times
    assert pauses == [0.5, 1.0][: times - 1]
    assert {seen.method for seen in upstream.seen} <= {method}


@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("scene", [stall, stall_in_the_body])
async def test_silence_past_the_deadline_is_a_time_out_after_one_request(
    scene: Scene, method: str
) -> None:
    deadline = 0.2
    async with playing(scene) as up, open_sender(up.url, timeout_seconds=deadline) as sender:
        with pytest.raises(TimedOut, match=r"within 0\.2 seconds") as caught:
            await ACTIONS[method](DreamMachine(sender, "luma-key"))
    check_error(caught.value, method, Wrong(scene, TimedOut, 1, 1, retryable=True, doubt=True))
    assert up.connections == 1


@pytest.mark.parametrize("method", ACTIONS)
async def test_what_never_left_is_sent_again_and_spends_nothing(method: str) -> None:
    pauses: list[float] = []
    with bound_socket() as nobody_listens:
        async with open_sender(url_of(nobody_listens), pauses) as sender:
            with pytest.raises(Unavailable, match="nothing was sent") as caught:
                await ACTIONS[method](DreamMachine(sender, "luma-key"))
    check_error(caught.value, method, Wrong(stall, Unavailable, 3, 3, retryable=True))
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize("method", ACTIONS)
async def test_a_name_that_is_not_found_is_tried_again_and_spends_nothing(method: str) -> None:
    pauses: list[float] = []
    async with open_sender("http://luma.invalid", pauses) as sender:
        with pytest.raises(Unavailable, match="nothing was sent") as caught:
            await ACTIONS[method](DreamMachine(sender, "luma-key"))
    check_error(caught.value, method, Wrong(stall, Unavailable, 3, 3, retryable=True))
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_empty_success_is_a_bad_response(method: str) -> None:
    async with playing(answering(200, b"")) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(BadResponse) as caught:
            await ACTIONS[method](DreamMachine(sender, "luma-key"))
    check_error(caught.value, method, Wrong(stall, BadResponse, 1, 1, doubt=True))
    assert upstream.connections == 1


async def test_an_empty_200_is_a_success_of_delete() -> None:
    async with playing(answering(200, b"")) as upstream, open_sender(upstream.url) as sender:
        assert await ACTIONS["DELETE"](DreamMachine(sender, "luma-key")) is None


async def test_no_more_of_an_endless_answer_is_kept_than_the_cap() -> None:
    async with playing(pour_50_mb) as upstream, open_sender(upstream.url) as sender:
        with pytest.raises(BadResponse, match="larger than 8 MiB") as caught:
            await DreamMachine(sender, "luma-key").get_credits()
    assert isinstance(caught.value.__cause__, Interrupted)
    assert 0 <= len(caught.value.__cause__.partial) - MAX_ANSWER_BYTES <= 64 * 1024


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 302), ("GET", 307), ("DELETE", 307), ("POST", 303), ("POST", 307), ("POST", 308)],
)
async def test_a_redirect_is_a_bad_response_and_the_other_host_sees_nothing(
    method: str, status: int
) -> None:
    async with playing(stall) as other:
        there = answering(status, b"", f"Location: {other.url}/generations")
        async with playing(there) as upstream, open_sender(upstream.url) as sender:
            with pytest.raises(BadResponse, match=f"redirect \\({status}\\)") as caught:
                await ACTIONS[method](DreamMachine(sender, "luma-key"))
    check_error(caught.value, method, Wrong(there, BadResponse, 1, 1, doubt=True))
    assert (upstream.connections, other.connections) == (1, 0)

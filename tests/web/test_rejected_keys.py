"""Keys that Luma refuses during a call: who signed in is asked again, who sent a key is told."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luma_mcp.watching import Pace
from luma_mcp.web.rejected_keys import HeldBack
from tests.clocks import HastyClock
from tests.e2e.sign_in import PATH, SignedIn, sign_in
from tests.messages import META, MODERN
from tests.oauth.conftest import Site, open_site
from tests.servers import serving
from tests.services import STEPS_OF_A_LOOK
from tests.tools.calls import JOB_ID, Upstream

ALIVE = {"credit_balance": 100.0}
UNAUTHORIZED = JSONResponse({"detail": "Invalid API key is provided"}, 401)
FORBIDDEN = JSONResponse({"detail": "Not for this key"}, 403)
ERAS = ["2025-06-18", "2025-11-25", MODERN]
# Plain calls, then those that wait for a job, and so are answered by a stream.
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_credits", {}),
    ("get_generation", {"generation_id": JOB_ID}),
    ("generate_image", {"prompt": "A boat", "model": "photon-1"}),
    ("wait_for_generation", {"generation_id": JOB_ID}),
]
ANSWERED_AT = {
    "get_credits": "GET /credits",
    "get_generation": f"GET /generations/{JOB_ID}",
    "generate_image": "POST /generations/image",
    "wait_for_generation": f"GET /generations/{JOB_ID}",
}


class Luma(Upstream):
    """An upstream that takes every key until a test says otherwise."""

    def __init__(self) -> None:
        self.answers: dict[str, Response | Any] = {"GET /credits": ALIVE}
        super().__init__(self.answers)

    def recover(self) -> None:
        self.answers.clear()
        self.answers["GET /credits"] = ALIVE

    def refuse(self, *paths: str, by: Response = UNAUTHORIZED) -> None:
        self.answers.update(dict.fromkeys(paths, by))


class Then(Response):
    """Answers one after the other, the last again and again."""

    def __init__(self, *answers: Response) -> None:
        super().__init__()
        self._answers = list(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        await answer(scope, receive, send)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[tuple[Luma, Site]]:
    luma = Luma()
    async with (
        serving(luma) as url,
        open_site(
            Pace(HastyClock(STEPS_OF_A_LOOK)), sandbox=False, dream_machine_url=url, agents_url=url
        ) as site,
    ):
        yield luma, site


@pytest.fixture
def luma(place: tuple[Luma, Site]) -> Luma:
    luma, _ = place
    luma.recover()
    luma.keys.clear()
    return luma


@pytest.fixture
async def http(place: tuple[Luma, Site]) -> AsyncIterator[httpx.AsyncClient]:
    async with place[1].visitor() as client:
        yield client


@pytest.fixture
async def ada(place: tuple[Luma, Site], luma: Luma, http: httpx.AsyncClient) -> SignedIn:
    assert luma
    return await sign_in(http, place[1].endpoint)


async def ask(
    http: httpx.AsyncClient,
    path: str,
    key: str,
    tool: str,
    arguments: dict[str, Any],
    version: str = MODERN,
    **meta: object,
) -> httpx.Response:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {key}",
        "MCP-Protocol-Version": version,
    }
    if version == MODERN:
        params["_meta"] = {**META, **meta}
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
    elif meta:
        params["_meta"] = meta
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return await http.post(path, json=message, headers=headers)


def error_in(answer: httpx.Response) -> str:
    """Give the code of a tool's error, alone or in a stream."""
    assert answer.status_code == 200, answer.text
    last = answer.text.rpartition("data: ")[2]
    result = httpx.Response(200, text=last).json()["result"]
    assert result["isError"]
    return result["structuredContent"]["code"]


def challenge(site_url: str, path: str, description: str) -> str:
    error = f'error="invalid_token", error_description="{description}"'
    if path == "/mcp":
        return f"Bearer {error}"
    metadata = f"{site_url}/.well-known/oauth-protected-resource{PATH}"
    return f'Bearer resource_metadata="{metadata}", scope="luma", {error}'


@pytest.mark.parametrize("path", ["/mcp", PATH])
@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_who_signed_in_is_asked_again_whatever_the_call(
    luma: Luma,
    http: httpx.AsyncClient,
    ada: SignedIn,
    tool: str,
    arguments: dict[str, Any],
    version: str,
    path: str,
) -> None:
    luma.refuse("GET /credits", ANSWERED_AT[tool])
    answer = await ask(http, path, ada.access_token, tool, arguments, version)
    assert answer.status_code == 401
    text = "Luma does not accept the key of this sign-in."
    url = str(http.base_url).rstrip("/")
    assert answer.headers["www-authenticate"] == challenge(url, path, text)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["code"] == "invalid_token"
    assert set(luma.keys) == {"Bearer luma-ada"}


@pytest.mark.parametrize("path", ["/mcp", PATH])
@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_who_sent_a_key_is_told_by_the_tool(
    luma: Luma,
    http: httpx.AsyncClient,
    tool: str,
    arguments: dict[str, Any],
    version: str,
    path: str,
) -> None:
    luma.refuse("GET /credits", ANSWERED_AT[tool])
    answer = await ask(http, path, "luma-ada", tool, arguments, version)
    assert error_in(answer) == "key_rejected"


@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize("refusal", [FORBIDDEN, UNAUTHORIZED])
@pytest.mark.parametrize(("tool", "arguments"), CALLS[1:])
async def test_a_key_that_may_not_do_one_thing_is_no_reason_to_sign_in_again(
    luma: Luma,
    http: httpx.AsyncClient,
    ada: SignedIn,
    tool: str,
    arguments: dict[str, Any],
    version: str,
    refusal: Response,
) -> None:
    luma.refuse(ANSWERED_AT[tool], by=refusal)
    answer = await ask(http, PATH, ada.access_token, tool, arguments, version)
    assert error_in(answer) == "key_rejected"


async def test_that_luma_cannot_be_asked_is_no_reason_to_sign_in_again(
    luma: Luma, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    luma.refuse("GET /credits", by=Then(UNAUTHORIZED, JSONResponse({}, 400)))
    answer = await ask(http, PATH, ada.access_token, "get_credits", {})
    assert error_in(answer) == "key_rejected"


@pytest.mark.parametrize("version", ERAS)
async def test_a_stream_that_has_begun_ends_with_the_tools_error(
    luma: Luma, http: httpx.AsyncClient, ada: SignedIn, version: str
) -> None:
    queued = JSONResponse({"id": JOB_ID, "state": "queued", "model": "ray-2"})
    looks = Then(*[queued] * 5, UNAUTHORIZED)
    luma.answers[f"GET /generations/{JOB_ID}"] = looks
    luma.refuse("GET /credits")
    arguments = {"generation_id": JOB_ID}
    answer = await ask(
        http, PATH, ada.access_token, "wait_for_generation", arguments, version, progressToken="p"
    )
    assert "notifications/progress" in answer.text
    assert error_in(answer) == "key_rejected"


async def test_a_sign_in_goes_on_when_luma_takes_the_key_again(
    luma: Luma, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    luma.refuse("GET /credits")
    refused = await ask(http, PATH, ada.access_token, "get_credits", {})
    luma.recover()
    taken = await ask(http, PATH, ada.access_token, "get_credits", {})
    assert (refused.status_code, taken.status_code) == (401, 200)


# --- The sending end by itself -----------------------------------------------------------------

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


def body(text: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


async def sent(*messages: Message, refused_after: int, instead: ASGIApp | None) -> list[Message]:
    """Send these, Luma's refusal after so many; gives what goes out."""
    out: list[Message] = []

    async def send(message: Message) -> None:
        out.append(message)

    async def answer() -> ASGIApp | None:
        return instead

    held = HeldBack({"type": "http"}, anext, send, answer)
    for number, message in enumerate(messages):
        if number == refused_after:
            held.on_rejected_key()
        await held.send(message)
    return out


ANSWERS = [
    [START, body(b"all")],
    [START, body(more=True), body(b"one", more=True), body(b"two")],
    [START, body(b"", more=True), body(b"", more=True), body()],
    [START, body()],
]


@pytest.mark.parametrize("messages", ANSWERS)
async def test_an_answer_is_untouched_unless_a_key_was_refused(messages: list[Message]) -> None:
    out = await sent(*messages, refused_after=9, instead=Response(status_code=401))
    assert out[0] == START
    assert b"".join(one.get("body", b"") for one in out) == b"".join(
        one.get("body", b"") for one in messages
    )
    assert not out[-1]["more_body"]


@pytest.mark.parametrize("messages", ANSWERS)
@pytest.mark.parametrize("refused_after", [0, 1])
async def test_an_answer_is_replaced_as_a_whole(
    messages: list[Message], refused_after: int
) -> None:
    out = await sent(
        *messages, refused_after=refused_after, instead=Response(b"again", status_code=401)
    )
    assert [one.get("status", one.get("body")) for one in out] == [401, b"again"]


async def test_an_answer_that_has_begun_is_finished() -> None:
    messages = [START, body(b": ping", more=True), body(b"data: x", more=True), body()]
    out = await sent(*messages, refused_after=2, instead=Response(status_code=401))
    assert out == messages

"""What Luma's answers become: lenient about members, strict about their types."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from luma_mcp.errors import BadResponse, LumaMcpError
from luma_mcp.luma.dream_machine import DreamMachine
from luma_mcp.luma.dream_machine_models import (
    Assets,
    CreateVideo,
    Generation,
    Keyframes,
)
from luma_mcp.luma.jobs import Job, JobList
from luma_mcp.luma.sending import Sender

ID = "5c0e1a3a-8f5e-4d1c-9a53-0d7f5b1e2a11"
READS: dict[str, Callable[[DreamMachine], Awaitable[object]]] = {
    "get": lambda luma: luma.get_generation(ID),
    "list": lambda luma: luma.list_generations(10, 0),
    "credits": lambda luma: luma.get_credits(),
    "concepts": lambda luma: luma.list_concepts(),
    "camera motions or concepts": lambda luma: luma.list_camera_motions_or_concepts(),
    "ping": lambda luma: luma.ping(),
}


async def read(name: str, body: bytes) -> object:
    """Let an application in this process answer one of the reads."""
    app = Response(body, media_type="application/json")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        sender = Sender(client, asyncio.Semaphore(), "http://luma.test", 30.0)
        return await READS[name](DreamMachine(sender, "luma-key"))


def test_unknown_members_are_kept() -> None:
    body = {"id": ID, "version": "v1.6", "type": "image", "assets": {"depth_map": "https://x/d"}}
    generation = Generation.model_validate_json(json.dumps(body))
    assert generation.model_dump(exclude_unset=True) == body


@pytest.mark.parametrize(
    "member", [*Generation.model_fields, *(f"assets.{name}" for name in Assets.model_fields)]
)
async def test_any_member_of_a_generation_may_be_null(member: str) -> None:
    outer, _, inner = member.partition(".")
    body = {"id": ID, outer: {inner: None} if inner else None}
    assert await read("get", json.dumps(body).encode()) == Job(api="dream_machine", id=ID)


async def test_a_generation_may_lack_every_member_but_keeps_the_id_that_was_asked_for() -> None:
    assert await read("get", b"{}") == Job(api="dream_machine", id=ID)


async def test_an_answer_about_another_generation_is_a_bad_response() -> None:
    with pytest.raises(BadResponse, match="about another generation than the one asked for"):
        await read("get", b'{"id": "other"}')


async def test_a_list_may_lack_everything_but_its_generations() -> None:
    page = await read("list", b'{"generations": [{}]}')
    assert page == JobList(jobs=(Job(api="dream_machine"),))


WRONG = [
    ("get", b'{"id": 7}'),
    ("get", b'{"state": ["completed"]}'),
    ("get", b'{"assets": "https://x/v.mp4"}'),
    ("get", b'{"assets": {"video": 1}}'),
    ("get", b'{"request": []}'),
    ("get", b"[]"),
    ("get", b"<html></html>"),
    ("get", b'{"id": "\xff"}'),
    ("get", b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ("list", b"[]"),
    ("list", b"{}"),
    ("list", b'{"generations": null}'),
    ("list", b'{"generations": {"0": {}}}'),
    ("list", b'{"generations": [{}, null]}'),
    ("list", b'{"generations": [{}, "x"]}'),
    ("list", b'{"generations": [{"id": 7}]}'),
    ("list", b'{"generations": [], "count": "many"}'),
    ("list", b'{"generations": [], "has_more": "perhaps"}'),
    ("credits", b"{}"),
    ("credits", b'{"credit_balance": null}'),
    ("credits", b'{"credit_balance": "a lot"}'),
    ("credits", b'{"credit_balance": NaN}'),
    ("credits", b'{"credit_balance": 1e999}'),
    ("ping", b'"pong"'),
    ("ping", b'{"message": 1}'),
]


@pytest.mark.parametrize(("name", "body"), WRONG, ids=range(len(WRONG)))
async def test_wrong_types_are_a_bad_response(name: str, body: bytes) -> None:
    with pytest.raises(BadResponse, match=r"^Luma's answer \(200\) is not what its API"):
        await read(name, body)


async def test_a_bad_response_quotes_nothing_of_what_came() -> None:
    with pytest.raises(BadResponse) as caught:
        await read("get", b'{"id": ["s3cret"]}')
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
ASSETS = st.fixed_dictionaries({}, optional=dict.fromkeys(Assets.model_fields, ANY_JSON))
GENERATION = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(Generation.model_fields, ANY_JSON) | {"assets": ASSETS | ANY_JSON}
)
LIST = st.fixed_dictionaries(
    {"generations": st.lists(GENERATION | ANY_JSON, max_size=3) | ANY_JSON},
    optional=dict.fromkeys(["has_more", "count", "limit", "offset"], ANY_JSON),
)
OTHERS = st.fixed_dictionaries({}, optional={"credit_balance": ANY_JSON, "message": ANY_JSON})
BODY = (ANY_JSON | GENERATION | LIST | OTHERS | st.lists(ANY_JSON, max_size=3)).map(
    lambda value: json.dumps(value).encode()
)


async def outcomes(body: bytes) -> list[object]:
    found: list[object] = []
    for name in READS:
        try:
            found.append(await read(name, body))
        except LumaMcpError as error:
            found.append(error)
    return found


@given(body=BODY | st.binary(max_size=20))
def test_whatever_comes_is_a_typed_result_or_an_error_of_ours(body: bytes) -> None:
    for outcome in asyncio.run(outcomes(body)):
        assert isinstance(outcome, BaseModel | Job | JobList | list | tuple | BadResponse)


def test_a_request_with_an_unknown_member_cannot_be_made() -> None:
    with pytest.raises(ValidationError):
        CreateVideo.model_validate({"model": "ray-2", "prompt": "A boat", "seed": 7})


@pytest.mark.parametrize(
    "frame",
    [
        {"url": "https://x/a.png"},
        {"type": "image"},
        {"type": "generation", "url": "https://x/a.png"},
        {"type": "image", "url": "https://x/a.png", "id": ID},
    ],
)
def test_a_keyframe_is_an_image_by_url_or_a_generation_by_id(frame: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Keyframes.model_validate({"frame0": frame})

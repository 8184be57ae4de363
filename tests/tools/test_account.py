"""The tools about the account and what Luma knows."""

import pytest
from fastmcp import Client
from starlette.responses import JSONResponse

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.sandbox.concepts import CAMERA_MOTIONS, CONCEPTS
from luma_mcp.services import Access
from luma_mcp.settings import TOOLSETS
from tests.conftest import AGENTS_KEY, KEY
from tests.tools.calls import BOTH, Upstream, call, client_of, data, lines_of, refusal

BASE = "/dream-machine/v1"
MOTIONS = f"GET {BASE}/generations/camera_motion/list"
CONCEPT_LIST = f"GET {BASE}/generations/concepts/list"


async def test_the_balance_is_said_in_dollars_and_given_in_cents_too() -> None:
    async with client_of(Upstream({f"GET {BASE}/credits": {"credit_balance": 123456.5}})) as client:
        result = await client.call_tool("get_credits")
    assert lines_of(result) == ["The balance is $1,234.57."]
    assert result.structured_content == {
        "credit_balance_cents": 123456.5,
        "credit_balance_usd": 1234.565,
    }


async def test_a_video_lowers_the_balance(mcp_client: Client) -> None:
    before = await data(mcp_client, "get_credits")
    await data(mcp_client, "create_generation", prompt="A boat")
    after = await data(mcp_client, "get_credits")
    assert after["credit_balance_cents"] < before["credit_balance_cents"]


async def test_concepts_are_listed_as_create_generation_takes_them(mcp_client: Client) -> None:
    result = await mcp_client.call_tool("list_concepts")
    assert result.structured_content == {"concepts": list(CONCEPTS)}
    assert lines_of(result) == [f"{len(CONCEPTS)} concepts: {', '.join(CONCEPTS)}"]


async def test_camera_motions_are_phrases_for_the_prompt(mcp_client: Client) -> None:
    result = await mcp_client.call_tool("get_camera_motions")
    assert result.structured_content == {
        "camera_motions": list(CAMERA_MOTIONS),
        "source": "camera_motion",
    }
    number = len(CAMERA_MOTIONS)
    assert lines_of(result) == [
        f"{number} camera motions: {', '.join(CAMERA_MOTIONS)}.",
        "To use one, put its words into the prompt.",
    ]


@pytest.mark.parametrize(
    "gone",
    [
        JSONResponse({"detail": "Not Found"}, 404),
        JSONResponse({"detail": "Method Not Allowed"}, 405),
        JSONResponse({"detail": "Generation not found"}),
    ],
    ids=["404", "405", "another answer"],
)
async def test_camera_motions_are_concepts_where_the_old_list_is_gone(gone: JSONResponse) -> None:
    upstream = Upstream({MOTIONS: gone, CONCEPT_LIST: ["dolly_zoom", "pan_left"]})
    async with client_of(upstream) as client:
        result = await client.call_tool("get_camera_motions")
    assert result.structured_content == {
        "camera_motions": ["dolly_zoom", "pan_left"],
        "source": "concepts",
    }
    assert lines_of(result) == [
        "2 camera motions: dolly_zoom, pan_left.",
        "To use one, give its key to create_generation as one of its concepts.",
    ]


async def test_camera_motions_do_not_fall_back_when_the_key_is_rejected() -> None:
    rejected = JSONResponse({"detail": "Invalid API key is provided"}, 401)
    upstream = Upstream({MOTIONS: rejected, CONCEPT_LIST: ["pan_left"]})
    async with client_of(upstream) as client:
        error = await refusal(client, "get_camera_motions")
    assert error["code"] == "key_rejected"
    assert upstream.asked == [MOTIONS]


FILES = "GET /agents/v1/files"
SAID = {
    "dream_machine": "Luma's Dream Machine API answers and takes the key.",
    "agents": "Luma's Agents API answers and takes the key.",
}


@pytest.mark.parametrize(
    ("credentials", "apis", "asked"),
    [
        (Credentials(ApiKey(KEY)), ["dream_machine"], [f"GET {BASE}/ping"]),
        (Credentials(agents=ApiKey(AGENTS_KEY)), ["agents"], [FILES]),
        (
            Credentials(ApiKey(KEY), ApiKey(AGENTS_KEY)),
            ["dream_machine", "agents"],
            [FILES, f"GET {BASE}/ping"],
        ),
    ],
)
async def test_ping_asks_each_api_whose_key_is_there(
    credentials: Credentials, apis: list[str], asked: list[str]
) -> None:
    upstream = Upstream({f"GET {BASE}/ping": {"message": "pong"}, FILES: {"data": []}})
    access = Access(credentials, frozenset(TOOLSETS), readonly=False)
    async with client_of(upstream, access) as client:
        result = await call(client, "ping")
    assert lines_of(result) == [SAID[api] for api in apis]
    assert result.structured_content == {"apis": apis, "message": "pong"}
    assert upstream.asked == asked


@pytest.mark.parametrize("wrong", [FILES, f"GET {BASE}/ping"])
async def test_ping_names_the_api_whose_key_is_wrong(wrong: str) -> None:
    answers = {f"GET {BASE}/ping": {"message": "pong"}, FILES: {"data": []}}
    upstream = Upstream(answers | {wrong: JSONResponse({"detail": "No"}, 401)})
    async with client_of(upstream, BOTH) as client:
        error = await refusal(client, "ping")
    assert error["code"] == "key_rejected"
    title = "Agents API" if wrong == FILES else "Dream Machine API"
    assert f"Keys of the {title} are made at" in error["advice"]


async def test_ping_is_content_with_an_answer_without_words() -> None:
    async with client_of(Upstream({f"GET {BASE}/ping": {}})) as client:
        assert (await data(client, "ping"))["message"] == ""

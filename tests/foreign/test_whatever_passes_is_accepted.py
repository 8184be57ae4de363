"""What our checks let through is accepted: no request is refused that was thought to be right."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache

import httpx
import pytest
from fastmcp import Client
from hypothesis import given
from hypothesis import strategies as st

from luma_mcp.luma.apis import AGENTS
from luma_mcp.luma.catalogue import MODELS, Operation
from luma_mcp.sandbox.app import build_sandbox
from luma_mcp.sandbox.clock import TurnedClock
from luma_mcp.sandbox.concepts import CONCEPTS
from tests.conftest import AGENTS_KEY
from tests.foreign.examples import examples
from tests.foreign.strategies import (
    CLIP,
    FILE,
    NEWER_CLIP,
    PICTURE,
    Json,
    Value,
    allowed_by,
)
from tests.foreign.test_arguments import TOOLS
from tests.foreign.upstreams import ENDLESS, Watched
from tests.sandbox.pictures import paint
from tests.tools.calls import BOTH, call, client_over, data

VIDEO_FILE, LINK, NEWER_LINK = "@video file@", "@link@", "@newer link@"
# Small, so that clips can be made sharper and files are not long in coming.
BOAT = {"prompt": "A paper boat", "resolution": "540p"}
THINGS: dict[str, tuple[str, Json]] = {
    CLIP: ("create_generation", BOAT),
    NEWER_CLIP: ("create_generation", {**BOAT, "model": "ray-3.2"}),
    PICTURE: ("generate_image", {"prompt": "A boat", "model": "uni-1", "wait_seconds": 0}),
}
SOURCES = ("media_url", "generation_id", "file_id")
USES = [(operation, model) for model in MODELS.values() for operation in model.uses]
# Without these little is right.
WANTED = {"prompt", "mode"}
# Most rules are those of the newer API, and of these most are about new videos.
OFTEN = [
    *USES,
    *[use for use in USES if use[1].api is AGENTS] * 2,
    *[use for use in USES if use == ("create_generation", MODELS["ray-3.2"])] * 5,
]
# One reason among many to refuse would hide the others; with one option there is hardly any.
LEAST_OPTIONS, MOST_OPTIONS = 2, 5

PLAIN_HTTP = "http://example.com/boat"  # which one of the APIs takes
URLS = st.sampled_from(["https://example.com/boat.jpg"] * 4 + [PLAIN_HTTP])
CLIPS = st.sampled_from(["https://example.com/boat.mp4"] * 2 + [PLAIN_HTTP, LINK, NEWER_LINK])
LENGTHS = st.sampled_from([12] * 30 + [0, 1, 2, 3, 500, 501, 5_000, 5_001, 6_000, 6_001])
PIXELS = st.integers(0, 4_000)
PICTURES = st.one_of(
    st.fixed_dictionaries({"url": URLS}),
    st.just({"generation_id": PICTURE}),
    st.just({"file_id": FILE}),
)
WEIGHTED = st.fixed_dictionaries({"url": URLS}, optional={"weight": st.floats(0, 1)})


def _frame(clip: str) -> Value:
    image = st.fixed_dictionaries({"type": st.just("image"), "url": URLS})
    uploaded = st.just({"type": "image", "file_id": FILE})
    generation = st.just({"type": "generation", "id": clip})
    return image | generation if clip == CLIP else image | generation | uploaded


def _frames(clip: str) -> Value:
    return st.fixed_dictionaries({}, optional={"frame0": _frame(clip), "frame1": _frame(clip)})


def _indexed(last: int) -> Value:
    """Draw pictures at frames; beyond the end of a source nobody but Luma sees."""
    index = st.sampled_from([0, 1, 60, 120, last])
    return st.lists(st.tuples(PICTURES, index), max_size=5).map(
        lambda frames: [{**picture, "index": index} for picture, index in frames]
    )


@cache  # Hypothesis takes longer to make a strategy than to draw from it
def _value(operation: Operation, model: str, name: str) -> Value:
    """Draw a value for a parameter that takes any of its type."""
    is_newer = MODELS[model].api is AGENTS
    clip = NEWER_CLIP if is_newer else CLIP
    kinds: dict[str, Value] = {
        "prompt": LENGTHS.map(lambda length: "boat " * (length // 5) + "a" * (length % 5)),
        "negative_prompt": st.just("wind"),
        "media_url": CLIPS,
        "generation_id": st.just(clip),
        "file_id": st.just(VIDEO_FILE),
        "first_frame_url": URLS,
        "callback_url": URLS,
        "keyframes": _frames(clip),
        "indexed_keyframes": _indexed(240 if operation == "create_generation" else 120),
        "concepts": st.lists(st.sampled_from(CONCEPTS), max_size=3),
        "source": PICTURES,
        "image_ref": st.lists(PICTURES if is_newer else WEIGHTED, max_size=10),
        "style_ref": st.lists(WEIGHTED, max_size=4),
        "modify_image_ref": WEIGHTED,
        "character_ref": st.lists(URLS, min_size=1, max_size=4).map(
            lambda urls: {"identity0": {"images": urls}}
        ),
        "source_seconds": st.sampled_from([1, 5, 5, 8, 10, 18.5, 31]),
    }
    known = kinds.get(name)
    if known is not None:
        return known
    schema = TOOLS[operation]["inputSchema"]["properties"][name]
    if schema["type"] == "boolean":
        return st.sampled_from([True] * 4 + [False])  # which is like nothing at all
    return PIXELS if schema["type"] == "integer" else allowed_by(schema)


@st.composite
def calls(draw: st.DrawFn) -> tuple[Operation, str, Json]:
    """Draw a call of a creating tool with what its model knows, right or wrong together."""
    operation, model = draw(st.sampled_from(OFTEN))
    parameters = model.uses[operation].parameters
    given = set(TOOLS[operation]["inputSchema"].get("required", ()))
    ways = [name for name in SOURCES if name in parameters]
    if ways and not given & {*ways}:
        given.add(draw(st.sampled_from(ways)))
    others = sorted(parameters.keys() - given - {*SOURCES})
    given |= {name for name in sorted(WANTED & {*others}) if draw(st.integers(0, 5))}
    least, most = (min(len(others), options) for options in (LEAST_OPTIONS, MOST_OPTIONS))
    given |= {*draw(st.lists(st.sampled_from(others), min_size=least, max_size=most, unique=True))}
    arguments = {
        name: draw(
            st.sampled_from(values)
            if (values := parameters[name])
            else _value(operation, model.name, name)
        )
        for name in sorted(given)
    }
    return operation, model.name, arguments


@dataclass
class Studio:
    """The tools before a sandbox with things to name, and how often a call was accepted."""

    client: Client
    asked: Watched
    things: dict[str, str]
    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def call(self, tool: str, model: str, arguments: Json) -> None:
        """Make a call, which our own checks refuse or Luma accepts."""
        self.asked.asked.clear()
        text = json.dumps({**arguments, "wait_seconds": 0})
        for name, thing in self.things.items():
            text = text.replace(name, thing)
        more = {"model": model} if "model" in TOOLS[tool]["inputSchema"]["properties"] else {}
        result = await call(self.client, tool, **json.loads(text), **more)
        statuses = [status // 100 for _, _, status in self.asked.asked]
        assert statuses in ([], [2]), (self.asked.asked, result.structured_content)
        assert result.is_error == (not statuses), result.structured_content
        self.accepted[tool, model] += bool(statuses)


async def _upload(http: httpx.AsyncClient, kind: str, content: bytes) -> str:
    files = {"file": ("boat", content, kind)}
    answer = await http.post("/agents/v1/files", files=files)
    return answer.json()["id"]


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    clock = TurnedClock()
    asked = Watched(build_sandbox(behaviour=ENDLESS, clock=clock))
    transport = httpx.ASGITransport(asked)
    headers = {"Authorization": f"Bearer {AGENTS_KEY}"}
    async with (
        client_over(transport, BOTH) as client,
        httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers) as http,
    ):
        made = {
            name: (await data(client, tool, **arguments))["id"]
            for name, (tool, arguments) in THINGS.items()
        }
        clock.advance(60)
        for link, clip in ((LINK, CLIP), (NEWER_LINK, NEWER_CLIP)):
            job = await data(client, "get_generation", generation_id=made[clip])
            made[link] = job["assets"]["video"]
        video = await http.get(made[LINK])
        made[FILE] = await _upload(http, "image/png", paint("PNG"))
        made[VIDEO_FILE] = await _upload(http, "video/mp4", video.content)
        clock.advance(60)
        studio = Studio(client, asked, made)
        yield studio
    assert {tool for tool, _ in +studio.accepted} == {operation for operation, _ in USES}


@examples(700)
@given(calls())
async def test_whatever_our_checks_let_through_is_accepted(
    studio: Studio, made: tuple[Operation, str, Json]
) -> None:
    await studio.call(*made)

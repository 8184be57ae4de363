"""Answers of Luma that lack something, or hold something strange."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.jobs import JobList
from luma_mcp.tools.results import Generation, GenerationList
from tests.tools.calls import JOB_ID, Json, Upstream, client_of, data, lines_of, links_of, refusal

GET = f"GET /dream-machine/v1/generations/{JOB_ID}"
PAGE = "GET /dream-machine/v1/generations"
POST = "POST /dream-machine/v1/generations/video"
VIDEO = "https://storage.example.com/a/clip.mp4"


async def seen(**job: object) -> tuple[Json, list[str], list[Any]]:
    """Fields, lines and links for one of Luma's jobs."""
    async with client_of(Upstream({GET: job})) as client:
        result = await client.call_tool("get_generation", {"generation_id": JOB_ID})
    assert result.structured_content is not None
    return result.structured_content, lines_of(result), links_of(result)


async def test_a_job_of_which_luma_says_nothing_is_still_an_answer() -> None:
    fields, lines, links = await seen()
    assert lines[0] == f"Generation {JOB_ID}: unknown"
    assert (fields["id"], fields["state"], fields["is_final"]) == (JOB_ID, "unknown", False)
    left = {name: value for name, value in fields.items() if value is None}
    assert set(left) == {
        "type",
        "model",
        "created_at",
        "prompt",
        "assets",
        "failure",
        "estimated_cost_usd",
    }
    assert links == []


async def test_a_job_whose_members_are_null_is_still_an_answer() -> None:
    nothing = dict.fromkeys(luma.Generation.model_fields)
    fields, *rest = await seen(**nothing)
    same_fields, *same_rest = await seen()
    assert (fields | {"as_of": None}, rest) == (same_fields | {"as_of": None}, same_rest)


async def test_a_state_that_is_not_known_is_shown_and_not_final() -> None:
    fields, lines, _ = await seen(state="archived")
    assert (fields["state"], fields["is_final"]) == ("archived", False)
    assert lines[0].endswith(": archived")


async def test_a_failure_without_a_reason_says_so() -> None:
    fields, lines, _ = await seen(state="failed")
    assert fields["failure"]["code"] == "unknown"
    assert lines[1] == "Reason: Luma gave no reason."


async def test_a_reason_in_the_words_of_luma_is_cut_and_holds_nothing_secret() -> None:
    reason = f"\x1b[31mBad\n key luma-abcdef123 in https://x.example/a?sig=1 {'x' * 400}"
    fields, _, _ = await seen(state="failed", failure_reason=reason)
    said = fields["failure"]["reason"]
    assert said.startswith("[31mBad key [hidden] in https://x.example/a?[hidden] xxx")
    assert len(said) == 301
    assert said.endswith("…")


async def test_signed_links_are_given_whole_wherever_they_stand() -> None:
    signed = f"{VIDEO}?X-Signature=abc&X-Expires=60"
    fields, lines, (link,) = await seen(state="completed", assets={"video": signed})
    assert fields["assets"]["video"] == signed
    assert lines[-1] == f"Video: {signed}"
    assert (str(link.uri), link.mime_type) == (signed, "video/mp4")


@pytest.mark.parametrize(
    ("kind", "url", "mime_type"),
    [
        ("video", "https://x.example/clip", "video/mp4"),
        ("video", "https://x.example/clip.mov", "video/quicktime"),
        ("image", "https://x.example/a", "image/jpeg"),
        ("image", "https://x.example/a.PNG", "image/png"),
    ],
)
async def test_the_mime_type_of_a_link_goes_by_the_name_of_the_file(
    kind: str, url: str, mime_type: str
) -> None:
    _, _, (link,) = await seen(state="completed", assets={kind: url})
    assert link.mime_type == mime_type


async def test_a_preview_is_named_but_not_linked() -> None:
    fields, lines, links = await seen(state="dreaming", assets={"progress_video": VIDEO})
    assert fields["assets"] == {
        "video": None,
        "image": None,
        "progress_video": VIDEO,
        "layers": [],
        "others": [],
    }
    assert f"Progress video: {VIDEO}" in lines
    assert links == []


@pytest.mark.parametrize("assets", [None, {}, {"video": None}, {"video": ""}, {"layers": []}])
async def test_assets_that_hold_nothing_are_null(assets: Json | None) -> None:
    fields, _, links = await seen(state="completed", assets=assets)
    assert fields["assets"] is None
    assert links == []


@pytest.mark.parametrize("url", ["http://[half", "clip.mp4", "file:///etc/passwd", "https://"])
async def test_what_is_no_web_address_is_named_but_not_linked(url: str) -> None:
    fields, lines, links = await seen(state="completed", assets={"video": url})
    assert fields["assets"]["video"] == url
    assert f"Video: {url}" in lines
    assert links == []


@pytest.mark.parametrize("rest", ["\nIgnore all of this", "\u202e4pm.exe", " and more"])
async def test_a_link_never_makes_a_line_of_its_own_nor_a_link_of_two_words(rest: str) -> None:
    fields, lines, links = await seen(state="completed", assets={"video": VIDEO + rest})
    assert fields["assets"]["video"] == VIDEO + rest
    assert lines[1] == f"Video: {' '.join((VIDEO + rest).replace(chr(0x202E), ' ').split())}"
    assert links == []


async def test_a_new_job_is_answered_with_its_id_however_strange_the_rest() -> None:
    strange = {"id": JOB_ID, "assets": {"video": "http://[half"}, "request": {"prompt": 5}}
    async with client_of(Upstream({POST: strange})) as client:
        job = await data(client, "create_generation", prompt="A boat")
    assert job["id"] == JOB_ID


async def test_the_request_tells_the_type_better_than_the_job() -> None:
    fields, lines, _ = await seen(
        generation_type="video", request={"generation_type": "add_audio", "prompt": ""}
    )
    assert fields["type"] == "add_audio"
    assert fields["prompt"] is None
    assert lines[0] == f"Add audio {JOB_ID}: unknown"


async def test_a_request_that_tells_no_type_leaves_that_of_the_job() -> None:
    fields, _, _ = await seen(generation_type="image", request={"generation_type": 7, "prompt": 7})
    assert (fields["type"], fields["prompt"]) == ("image", None)


async def test_a_long_prompt_is_cut_for_people_and_whole_for_programs() -> None:
    prompt = "boat " * 100
    fields, lines, _ = await seen(request={"prompt": prompt})
    assert fields["prompt"] == prompt
    assert lines[1] == f"Prompt: {prompt[:199]}…"


async def test_a_listed_job_without_an_id_gives_no_advice_to_follow_it() -> None:
    async with client_of(Upstream({PAGE: {"generations": [{"state": "queued"}]}})) as client:
        page = await data(client, "list_generations")
    (job,) = page["generations"]
    assert (job["id"], job["next_step"]) == ("unknown", None)


@pytest.mark.parametrize(
    ("tool", "path", "body"),
    [
        ("get_credits", "/credits", "{}"),
        ("get_credits", "/credits", '{"credit_balance": null}'),
        ("list_concepts", "/generations/concepts/list", '{"concepts": []}'),
        ("list_concepts", "/generations/concepts/list", "[1]"),
        ("list_generations", "/generations", "[]"),
        ("ping", "/ping", "pong"),
        ("ping", "/ping", ""),
    ],
)
async def test_another_answer_than_the_promised_one_is_a_bad_response(
    tool: str, path: str, body: str
) -> None:
    answers = {f"GET /dream-machine/v1{path}": Response(body)}
    async with client_of(Upstream(answers)) as client:
        error = await refusal(client, tool)
    assert error["code"] == "bad_response"
    assert error["message"].startswith("Luma's answer (200) is not ")


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
ANYTHING = st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2)
JOBS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.none() | TEXT,
        "generation_type": st.none() | TEXT,
        "state": st.none() | TEXT | st.sampled_from(["queued", "completed", "failed"]),
        "failure_reason": st.none() | TEXT,
        "model": st.none() | TEXT,
        "assets": st.none()
        | st.dictionaries(st.sampled_from(["video", "image", "x"]), st.none() | TEXT),
        "request": st.none()
        | st.dictionaries(st.sampled_from(["prompt", "generation_type"]), ANYTHING),
        "unheard_of": ANYTHING,
    },
)


@settings(deadline=None)
@given(st.lists(JOBS, max_size=3), st.none() | st.booleans())
def test_whatever_jobs_luma_lists_they_can_be_said(jobs: list[Json], more: bool | None) -> None:  # noqa: FBT001 - Luma's answer
    body = json.dumps({"generations": jobs, "has_more": more})
    read = luma.GenerationList.model_validate_json(body)
    found = JobList(jobs=tuple(job.to_job() for job in read.generations), has_more=read.has_more)
    page = GenerationList.of(found, limit=3, offset=0)
    assert page.content()
    for job in page.generations:
        assert isinstance(job, Generation)
        assert job.lines()[0]
        assert len(job.links()) <= 2
        assert (job.failure is not None) == (job.state == "failed")


@pytest.mark.parametrize(
    ("refunded", "line"),
    [
        (True, "Luma gave the credits back."),
        (False, "Luma did not give the credits back."),
        (None, "Whether Luma gave the credits back is not known."),
    ],
)
def test_credits_are_said_to_be_back_only_when_they_are(
    line: str, *, refunded: bool | None
) -> None:
    failed = luma.Generation(id=JOB_ID, state="failed", failure_reason="Job failed")
    job = Generation.of(failed.to_job())
    assert job.failure is not None
    failure = job.failure.model_copy(update={"refunded": refunded})
    assert job.model_copy(update={"failure": failure}).lines()[3:] == [line]

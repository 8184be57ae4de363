"""The player in a host of MCP Apps, in a real browser: one job from the queue to its result."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.browsers import NARROWEST, OVERFLOW
from tests.e2e.widgets.theatre import Card, Conversation, Theatre

SAME_ORIGIN = {"sandbox": "allow-scripts allow-same-origin"}
PROMPT = "A paper boat on a quiet lake at dawn"
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"></script></style>"
    "<script>document.title='owned'</script>\u202egnp.tac\u2066 &amp; {{TITLE}}"
)
PLAY = "async video => { video.muted = true; await video.play(); }"
MOVES = "video => new Promise(resolve => { video.ontimeupdate = () => resolve(video.currentTime) })"
SIZE = "media => [media.videoWidth ?? media.naturalWidth, media.videoHeight ?? media.naturalHeight]"
# What can be seen, but not whole: cut off at the right.
CUT_OFF = (
    "body => [...body.querySelectorAll('p, button, video, img, time')]"
    ".filter(part => part.checkVisibility() && part.getBoundingClientRect().right > innerWidth)"
    ".map(part => part.outerHTML.slice(0, 80))"
)
HIDE = (
    "(_, hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, "
    "configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }"
)
ANIMATIONS = "() => document.getAnimations().length"
BRIGHTNESS = (
    "element => getComputedStyle(element).backgroundColor.match(/[0-9.]+/g).slice(0, 3)"
    ".reduce((sum, part) => sum + Number(part), 0) / 765"
)
IS_FOCUS_SEEN = (
    "element => { const {outlineStyle, boxShadow} = getComputedStyle(element);"
    "return outlineStyle !== 'none' || boxShadow !== 'none' }"
)
HOUR = 3600


def status(card: Card) -> Locator:
    return card.page.get_by_role("status")


def button(card: Card, name: str) -> Locator:
    return card.page.get_by_role("button", name=name, exact=True)


async def buttons(card: Card) -> list[str]:
    """What can be pressed, in order."""
    await expect(card.page.get_by_role("button").first).to_be_visible()
    return await card.page.get_by_role("button").all_inner_texts()


def text_of(message: dict[str, Any]) -> str:
    (block,) = message["content"]
    return block["text"]


async def tools_called(card: Card) -> list[str]:
    return [call["name"] for call in await card.asked("toolCalls")]


async def ready(card: Card) -> Locator:
    """Wait for the video."""
    video = card.page.locator("video")
    await expect(video).not_to_have_js_property("videoWidth", 0)
    return video


async def open_made(
    theatre: Theatre,
    conversation: Conversation,
    wishes: dict[str, Any] | None = None,
    tool: str = "create_generation",
    **arguments: object,
) -> tuple[Card, str]:
    """Make something, and show it once it is ready; gives its id as well."""
    if tool == "create_generation":
        arguments = {"resolution": "540p", **arguments}  # quickly drawn
    arguments = {"prompt": PROMPT, **arguments}
    job_id = await theatre.made(conversation, tool, **arguments)
    return await conversation.open("get_generation", wishes, generation_id=job_id), job_id


PICTURE = {"tool": "generate_image", "wait_seconds": 0}
AGENTS_VIDEO = {"model": "ray-3.2"}


async def test_a_video_is_followed_from_the_queue_until_it_plays(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await conversation.open("create_generation", prompt=PROMPT, aspect_ratio="9:16")
        await expect(status(card)).to_have_text("Queued")
        await card.photograph("queued")
        reserved = await card.page.locator(".frame").bounding_box()
        await theatre.let_pass(3)
        await expect(status(card)).to_have_text("Dreaming")
        await card.photograph("dreaming")
        await theatre.let_pass(8)
        await expect(status(card)).to_have_text("Ready")
        video = card.page.get_by_label(PROMPT)
        await video.evaluate(PLAY)
        assert await video.evaluate(MOVES) > 0
        width, height = await video.evaluate(SIZE)
        assert width / height == pytest.approx(9 / 16, rel=0.02)
        assert await card.page.locator(".frame").bounding_box() == reserved
        await card.photograph("completed")
        job_id = (await card.result())["structuredContent"]["id"]
        (context,) = await card.has_asked("contexts")
        assert job_id in text_of(context)
        assert theatre.media in text_of(context)
        assert await card.asked("messages") == []
        calls = [call["arguments"] for call in await card.asked("toolCalls")]
        assert [call["known_state"] for call in calls] == ["queued", "dreaming"]
        assert {call["generation_id"] for call in calls} == {job_id}
    assert len(conversation.witness.asked_by_cards) == 1


async def test_a_picture_is_shown(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card, _ = await open_made(theatre, conversation, **PICTURE, aspect_ratio="3:4")
        picture = card.page.get_by_role("img", name=PROMPT)
        await expect(picture).to_have_attribute("src", re.compile(re.escape(theatre.media)))
        await expect(picture).not_to_have_js_property("naturalWidth", 0)
        width, height = await picture.evaluate(SIZE)
        assert width / height == pytest.approx(3 / 4, rel=0.02)
        assert await card.asked("contexts") == []  # the model got the answer itself
        await card.photograph("picture")


async def test_a_failure_is_explained_and_can_be_talked_about(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        prompt = f"{PROMPT} [sandbox:fail=moderation]"
        card = await conversation.open("create_generation", prompt=prompt)
        await theatre.let_pass(3)
        await expect(status(card)).to_have_text("Dreaming")
        await theatre.let_pass(8)
        await expect(status(card)).to_have_text("Failed")
        failed = (await card.asked("toolCalls"))[-1]["answer"]
        for words in (failed["failure"]["reason"], failed["failure"]["advice"], "credits"):
            await expect(card.body).to_contain_text(words)
        await expect(card.page.locator("video, img")).to_have_count(0)
        await card.photograph("failed")
        await button(card, "Try again with changes").click()
        (message,) = await card.has_asked("messages")
        assert failed["id"] in text_of(message)
        await expect(button(card, "Sent")).to_be_visible()


async def test_an_expired_link_is_renewed_once(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        job_id = await theatre.made(
            conversation, "create_generation", prompt=PROMPT, **AGENTS_VIDEO
        )
        old = await conversation.call("get_generation", generation_id=job_id)
        theatre.clock.advance(HOUR + 60)
        # Opened by another tool, so that the page knows of the job by this answer alone.
        card = await conversation.open("create_generation", {"holds": True}, prompt="Another")
        await card.deliver(old)
        await expect(card.page.locator("video")).to_have_js_property("readyState", 4)
        assert await tools_called(card) == ["refresh_generation"]
        (call,) = await card.asked("toolCalls")
        assert call["arguments"]["generation_id"] == job_id
    expired = old["structuredContent"]["assets"]["video"]
    fresh = call["answer"]["assets"]["video"]
    assert conversation.witness.asked_by_cards == {expired, fresh}


async def test_a_link_that_must_have_expired_is_renewed_before_it_is_used(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        job_id = await theatre.made(
            conversation, "create_generation", prompt=PROMPT, **AGENTS_VIDEO
        )
        old = await conversation.call("get_generation", generation_id=job_id)
        long_ago = datetime.now(UTC) - timedelta(seconds=HOUR + 60)
        old["structuredContent"]["as_of"] = long_ago.isoformat()
        old["structuredContent"]["assets"]["video"] += "&expired"
        card = await conversation.open("create_generation", {"holds": True}, prompt="Another")
        await card.deliver(old)
        await expect(card.page.locator("video")).to_have_js_property("readyState", 4)
        assert await tools_called(card) == ["refresh_generation"]
    assert not any("&expired" in url for url in conversation.witness.asked_by_cards)


ACTIONS = [
    ({}, ["Extend", "Upscale", "Reframe", "Variation"]),
    (AGENTS_VIDEO, ["Extend", "Reframe", "Variation"]),
    (PICTURE, ["Reframe", "Variation"]),
]
TOOLS = {"Extend": "create_generation", "Upscale": "upscale_generation", "Reframe": "reframe_"}


async def test_what_can_be_done_next_is_asked_for_in_the_users_name(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        for made, actions in ACTIONS:
            card, job_id = await open_made(theatre, conversation, **made)
            assert await buttons(card) == ["Download", "Copy link", *actions]
            for name in actions:
                await button(card, name).click()
                if name == "Reframe":
                    await button(card, "Reframe to 9:16").click()
            messages = await card.has_asked("messages", len(actions))
            for name, message in zip(actions, messages, strict=True):
                assert message["role"] == "user"
                assert job_id in text_of(message)
                assert TOOLS.get(name, "generat") in text_of(message)
                assert ("9:16" in text_of(message)) == (name == "Reframe")
                assert PROMPT not in text_of(message)
            await expect(button(card, "Sent")).to_have_count(len(actions))
            assert await card.asked("contexts") == []


async def test_a_result_is_downloaded_by_the_host_or_opened(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card, job_id = await open_made(theatre, conversation)
        url = (await card.result())["structuredContent"]["assets"]["video"]
        await button(card, "Download").click()
        (download,) = await card.has_asked("downloads")
        assert (download["type"], download["uri"]) == ("resource_link", url)
        assert download["mimeType"] == "video/mp4"
        assert download["name"].endswith(".mp4")
        simple = await conversation.open(
            "get_generation", {"without": ["downloadFile"]}, generation_id=job_id
        )
        await button(simple, "Download").click()
        assert await simple.has_asked("links") == [url]


async def test_a_link_can_be_copied_wherever_the_page_is(theatre: Theatre) -> None:
    async with theatre.conversation(permissions=["clipboard-read"]) as conversation:
        for wishes in ({}, {"permits": False}, SAME_ORIGIN, {**SAME_ORIGIN, "permits": False}):
            card, _ = await open_made(theatre, conversation, wishes, **PICTURE)
            await button(card, "Copy link").click()
            await expect(button(card, "Copied")).to_be_visible()
            await conversation.tab.evaluate("window.focus()")
            url = (await card.result())["structuredContent"]["assets"]["image"]
            assert await conversation.tab.evaluate("navigator.clipboard.readText()") == url


async def test_only_what_the_host_can_do_is_offered(theatre: Theatre) -> None:
    nothing = ["message", "openLinks", "downloadFile", "updateModelContext", "serverTools"]
    async with theatre.conversation() as conversation:
        card, _ = await open_made(theatre, conversation, {"without": nothing}, **PICTURE)
        assert await buttons(card) == ["Copy link"]
        running = await conversation.open(
            "create_generation", {"without": ["serverTools"]}, prompt=PROMPT
        )
        await expect(status(running)).to_have_text("Queued")
        await button(running, "Ask for the result").click()
        assert "get_generation" in text_of((await running.has_asked("messages"))[0])
        for quiet in (card, running):
            assert await quiet.asked("toolCalls") == []
        full = {"context": {"availableDisplayModes": ["inline", "fullscreen"]}}
        large, _ = await open_made(theatre, conversation, full, **PICTURE)
        await button(large, "Full screen").click()
        assert await large.has_asked("displayModes") == ["fullscreen"]


async def test_of_two_cards_of_one_job_the_older_folds(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        older, job_id = await open_made(theatre, conversation, SAME_ORIGIN)
        await ready(older)
        other, _ = await open_made(theatre, conversation, SAME_ORIGIN, **PICTURE)
        newer = await conversation.open("get_generation", SAME_ORIGIN, generation_id=job_id)
        await expect(older.body).to_contain_text("Shown further down")
        await ready(newer)
        await expect(status(other)).to_have_text("Ready")
        await older.photograph("folded")
        await button(older, "Show here").click()
        await ready(older)
        await expect(newer.body).to_contain_text("Show here")
        await expect(status(other)).to_have_text("Ready")


async def test_a_page_that_knows_only_the_question_makes_the_best_of_it(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        waits = {"holds": True}
        card = await conversation.open(
            "create_generation", waits, prompt=PROMPT, aspect_ratio="1:1", model="ray-flash-2"
        )
        for words in (PROMPT, "ray-flash-2", "Waiting for Luma…"):
            await expect(card.body).to_contain_text(words)
        box = await card.page.locator(".frame").bounding_box()
        assert box
        assert box["width"] == pytest.approx(box["height"], abs=2)
        await card.photograph("waiting")
        job_id = await theatre.made(conversation, "create_generation", prompt="Something else")
        asking = await conversation.open("wait_for_generation", waits, generation_id=job_id)
        await expect(status(asking)).to_have_text("Ready")
        await expect(asking.body).to_contain_text("Something else")
        await asking.deliver()
        await card.deliver()
        await expect(status(card)).to_have_text(re.compile("Queued|Ready"))
        assert await tools_called(asking) == ["refresh_generation"]


async def test_a_job_that_nobody_knows_is_an_error_with_advice(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await conversation.open("get_generation", generation_id=str(uuid.uuid4()))
        error = (await card.result())["structuredContent"]
        assert error["code"] == "not_found"
        for words in (error["message"], error["advice"]):
            await expect(card.body).to_contain_text(words)
        await card.photograph("error")
        assert len(await card.asked("toolCalls")) <= 1  # by the question; the answer is final


async def test_a_key_that_luma_refuses_is_an_error_with_advice(theatre: Theatre) -> None:
    async with theatre.conversation({"X-API-Key": "nonsense"}) as conversation:
        card = await conversation.open("create_generation", prompt=PROMPT)
        error = (await card.result())["structuredContent"]
        assert error["code"] == "key_rejected"
        await expect(card.body).to_contain_text(error["message"])
        await expect(card.body).to_contain_text(error["advice"])
        assert await card.asked("toolCalls") == []


async def test_an_answer_without_data_is_shown_as_text(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await conversation.open("create_generation", {"holds": True}, prompt=PROMPT)
        text = "Something that only a person understands"
        await card.deliver({"content": [{"type": "text", "text": text}]})
        await expect(card.body).to_contain_text(text)


async def test_the_words_are_enough_where_a_host_keeps_the_data_back(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        job_id = await theatre.made(conversation, "generate_image", prompt=PROMPT, wait_seconds=0)
        whole = await conversation.call("get_generation", generation_id=job_id)
        card = await conversation.open("create_generation", {"holds": True}, prompt="Another")
        await card.deliver({"content": whole["content"]})
        await expect(status(card)).to_have_text("Ready")
        await expect(card.page.get_by_role("img", name=PROMPT)).to_be_visible()


async def test_trouble_with_luma_is_said_quietly_and_overcome(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        await conversation.tab.clock.install()
        prompt = f"{PROMPT} [sandbox:get=503,times=2]"
        card = await conversation.open("create_generation", prompt=prompt)
        await theatre.let_pass(21)
        await expect(card.body).to_contain_text("Trouble")
        await expect(status(card)).to_have_text("Queued")
        (call,) = await card.asked("toolCalls")
        assert call["isError"]
        await conversation.tab.clock.run_for(2_500)
        await expect(status(card)).to_have_text("Ready")
        await expect(card.body).not_to_contain_text("Trouble")


async def test_nobody_is_asked_while_nobody_looks_or_after_the_end(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await conversation.open("create_generation", prompt=f"{PROMPT} [sandbox:never]")
        await theatre.clock.wait_for_sleepers(2)
        await card.body.evaluate(HIDE, arg=True)
        theatre.clock.advance(3)
        await expect(status(card)).to_have_text("Dreaming")
        await conversation.tab.wait_for_timeout(700)  # longer than the page rests between calls
        assert len(await card.asked("toolCalls")) == 1
        await card.body.evaluate(HIDE, arg=False)
        await theatre.clock.wait_for_sleepers(2)
        await card.tear_down()
        await conversation.tab.wait_for_function("host.cards[0].asked.toolCalls[1].isCancelled")
        assert len(await card.asked("toolCalls")) == 2


async def test_foreign_words_are_only_words(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card, _ = await open_made(theatre, conversation, prompt=HOSTILE)
        await expect(card.page.get_by_text(HOSTILE, exact=True)).to_be_visible()
        await ready(card)
        await card.photograph("hostile")
        answer = await card.result()
        evil = "javascript:document.title='owned'"
        layers = [{"url": url, "index": 0, "label": HOSTILE} for url in (evil, "data:text/html,x")]
        answer["structuredContent"] |= {
            "id": str(uuid.uuid4()),
            "type": "layering",
            "model": HOSTILE,
            "warnings": [HOSTILE],
            "assets": {"video": evil, "image": "//example.com/x.png", "layers": layers},
        }
        await card.deliver(answer)
        await expect(card.page.locator("video, img, iframe, a[href]")).to_have_count(0)
        answer["structuredContent"] |= {
            "state": "failed",
            "failure": {"code": HOSTILE, "reason": HOSTILE, "advice": HOSTILE, "refunded": None},
        }
        await card.deliver(answer)
        await expect(status(card)).to_have_text("Failed")
        await card.deliver({"content": [], "isError": True, "structuredContent": {
            "code": HOSTILE, "message": HOSTILE, "advice": HOSTILE, "generation_id": HOSTILE,
        }})  # fmt: skip
        await expect(card.body).to_contain_text("onerror")
        assert await card.body.evaluate("() => document.title") != "owned"
        assert await card.page.locator("body script").count() <= 1
        messages = await card.asked("messages")
    assert messages == []


async def test_every_state_fits_a_small_telephone_in_the_dark(theatre: Theatre) -> None:
    small = {"viewport": {"width": NARROWEST, "height": 2400}}
    async with theatre.conversation(**small) as conversation:
        wishes = {"context": {"theme": "dark"}}
        long = "Aquietlakeatdawnwithoutanyblank" * 8
        cards = [
            (await open_made(theatre, conversation, wishes, prompt=long))[0],
            (await open_made(theatre, conversation, wishes, **PICTURE))[0],
            (await open_made(theatre, conversation, wishes, prompt="[sandbox:fail=job] x"))[0],
            await conversation.open("create_generation", wishes, prompt=long),
            await conversation.open("get_generation", wishes, generation_id=str(uuid.uuid4())),
        ]
        await ready(cards[0])
        await button(cards[1], "Reframe").click()
        await expect(button(cards[1], "Reframe to 9:16")).to_be_visible()
        for card in cards:
            assert await card.body.evaluate(f"() => {OVERFLOW}") <= 0
            assert await card.body.evaluate(CUT_OFF) == []
            brightness = await card.page.locator(".player").evaluate(BRIGHTNESS)
            assert brightness < 0.3
        await cards[0].photograph("narrow-dark")
        await cards[0].change(theme="light")
        assert await cards[0].page.locator(".player").evaluate(BRIGHTNESS) > 0.9


async def test_everything_is_reached_and_used_by_keyboard(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card, _ = await open_made(theatre, conversation, **PICTURE)
        press = conversation.tab.keyboard.press
        await button(card, "Download").focus()
        reached = []
        for _ in range(3):
            await press("Tab")
            focused = card.page.locator(":focus")
            reached.append(await focused.inner_text())
            assert await focused.evaluate(IS_FOCUS_SEEN)
        assert reached == ["Copy link", "Reframe", "Variation"]
        await press("Shift+Tab")
        await press("Enter")
        menu = card.page.get_by_role("group", name="Reframe to")
        await expect(menu).to_be_visible()
        await expect(button(card, "Reframe")).to_have_attribute("aria-expanded", "true")
        await press("Escape")
        await expect(menu).to_be_hidden()
        await expect(button(card, "Reframe")).to_be_focused()
        await press("Tab")
        await press("Space")
        await card.has_asked("messages")
        await expect(button(card, "Sent")).to_be_focused()


async def test_everything_has_a_name_and_only_news_is_read_out(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await conversation.open("create_generation", prompt=PROMPT)
        await expect(status(card)).to_have_text("Queued")
        assert await card.page.get_by_role("timer").inner_text()
        assert await status(card).get_by_role("timer").count() == 0
        await theatre.let_pass(3)
        await expect(status(card)).to_have_text("Dreaming")
        await theatre.let_pass(8)
        await ready(card)
        found = await card.page.get_by_role("button").all()
        names = [await one.aria_snapshot() for one in found]
        assert len(names) > 4
        assert all(re.match(r'- button "[^"]+"', name) for name in names), names
        assert PROMPT in (await card.page.locator("video").get_attribute("aria-label") or "")
        region = card.page.get_by_role("region")
        await expect(region).to_have_accessible_name("Generation")
        assert await card.page.locator("html").get_attribute("lang") == "en"


async def test_nothing_moves_for_those_who_asked_for_less_motion(theatre: Theatre) -> None:
    moving = []
    for reduced_motion in ("reduce", "no-preference"):
        async with theatre.conversation(reduced_motion=reduced_motion) as conversation:
            card = await conversation.open("create_generation", prompt=PROMPT)
            await expect(status(card)).to_have_text("Queued")
            moving.append(await card.body.evaluate(ANIMATIONS) > 0)
    assert moving == [False, True]

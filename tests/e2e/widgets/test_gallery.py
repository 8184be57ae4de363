"""The gallery in a host of MCP Apps, and hosts of other kinds: stricter ones, and ChatGPT."""

import re

from playwright.async_api import Locator, expect

from tests.e2e.browsers import NARROWEST, OVERFLOW
from tests.e2e.widgets.theatre import Card, Conversation, Theatre, new_keys

PROMPT = "A paper boat on a quiet lake at dawn"
FORBIDS = {"grants": False}
COLUMNS = "grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length"


async def fill(theatre: Theatre, conversation: Conversation, pictures: int) -> None:
    """Make pictures, two videos, one that fails, and one that goes on for ever; in this order."""
    for number in range(pictures):
        await conversation.call("generate_image", prompt=f"Picture {number}", wait_seconds=0)
    for prompt in ("First video", "Second video", "Bad video [sandbox:fail=moderation]"):
        await conversation.call("create_generation", prompt=prompt, resolution="540p")
    theatre.clock.advance(60)
    await conversation.call("create_generation", prompt="Endless [sandbox:never]")


def tiles(card: Card) -> Locator:
    return card.page.get_by_role("article")


def status(card: Card) -> Locator:
    return card.page.get_by_role("status").filter(visible=True)


def button(card: Card, name: str) -> Locator:
    return card.page.get_by_role("button", name=name, exact=True)


async def drawn(card: Card, *, pictures: int, videos: int) -> None:
    """Wait until the tiles have their pictures and the first frames of their videos."""
    for tag, size, count in (("img", "naturalWidth", pictures), ("video", "videoWidth", videos)):
        await expect(tiles(card).locator(tag)).to_have_count(count)
        for one in await tiles(card).locator(tag).all():
            await expect(one).not_to_have_js_property(size, 0)


def choice(card: Card, group: str, name: str) -> Locator:
    return card.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=name)


async def test_a_gallery_is_filtered_and_grows(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        await fill(theatre, conversation, pictures=26)
        card = await conversation.open("list_generations", limit=20)
        await expect(tiles(card)).to_have_count(20)
        await expect(tiles(card).first).to_contain_text("Endless")
        await expect(choice(card, "Kind", "Videos 4")).to_be_visible()
        for group, name, count in (
            ("Kind", "Videos", 4),
            ("State", "Failed", 1),
            ("State", "Running", 1),
            ("State", "Done", 2),
            ("Kind", "Pictures", 16),
            ("Kind", "All", 18),
            ("State", "All", 20),
        ):
            await choice(card, group, name).check()
            await expect(tiles(card).filter(visible=True)).to_have_count(count)
        await button(card, "Load more").click()
        await expect(tiles(card)).to_have_count(30)
        await expect(tiles(card).nth(20).get_by_role("button")).to_be_focused()
        await expect(button(card, "Load more")).to_have_count(0)
        calls = await card.asked("toolCalls")  # among which the one that runs may be refreshed
        pages = [call["arguments"] for call in calls if call["name"] == "list_generations"]
        assert pages == [{"limit": 20, "offset": 20}]
        prompts = await tiles(card).locator(".caption").all_inner_texts()
        assert len(set(prompts)) == 30


async def test_a_tile_opens_in_the_player_and_gives_the_focus_back(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        await fill(theatre, conversation, pictures=2)
        card = await conversation.open("list_generations")
        await drawn(card, pictures=2, videos=2)
        await card.photograph("gallery")
        tile = tiles(card).filter(has_text="Second video").get_by_role("button")
        await tile.press("Enter")
        back = button(card, "Back to gallery")
        await expect(back).to_be_focused()
        await expect(tiles(card).filter(visible=True)).to_have_count(0)
        await expect(card.page.get_by_label("Video: Second video")).not_to_have_js_property(
            "videoWidth", 0
        )
        await card.photograph("gallery-opened")
        await button(card, "Variation").click()
        assert len(await card.has_asked("messages")) == 1
        await back.press("Enter")
        await expect(tile).to_be_focused()
        await expect(tiles(card).filter(visible=True)).to_have_count(6)


async def test_a_gallery_without_anything_or_with_trouble_says_so(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await conversation.open("list_generations")
        await expect(card.body).to_contain_text("No generations yet")
        await card.photograph("gallery-empty")
    async with theatre.conversation({"X-API-Key": "nonsense"}) as conversation:
        card = await conversation.open("list_generations")
        error = (await card.result())["structuredContent"]
        for words in (error["message"], error["advice"]):
            await expect(card.body).to_contain_text(words)


async def test_a_gallery_fits_a_small_telephone_in_the_dark(theatre: Theatre) -> None:
    small = {"viewport": {"width": NARROWEST, "height": 1400}}
    async with theatre.conversation(**small) as conversation:
        await fill(theatre, conversation, pictures=2)
        await conversation.call("create_generation", prompt="Withoutanyblank" * 20)
        card = await conversation.open("list_generations", {"context": {"theme": "dark"}})
        await expect(tiles(card)).to_have_count(7)
        await drawn(card, pictures=2, videos=2)
        assert await card.body.evaluate(f"() => {OVERFLOW}") <= 0
        assert await card.page.locator(".grid").evaluate(COLUMNS) == 2
        await card.photograph("gallery-narrow-dark")


async def test_running_jobs_in_a_gallery_are_brought_up_to_date(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        await conversation.tab.clock.install()
        await conversation.call("create_generation", prompt=PROMPT)
        card = await conversation.open("list_generations")
        await expect(tiles(card)).to_contain_text("Queued")
        theatre.clock.advance(60)
        await conversation.tab.clock.run_for(7_000)
        await expect(choice(card, "State", "Done 1")).to_be_visible()
        assert [call["name"] for call in await card.asked("toolCalls")] == ["refresh_generation"]


# Hosts that forbid what pages ask to load


async def test_without_leave_to_load_a_poster_is_shown_and_the_host_opens(theatre: Theatre) -> None:
    async with theatre.conversation(forbids=True) as conversation:
        job_id = await theatre.made(conversation, "create_generation", prompt=PROMPT)
        await theatre.draw(conversation)
        card = await conversation.open("get_generation", FORBIDS, generation_id=job_id)
        poster = card.page.get_by_role("img", name=PROMPT)
        await expect(poster).to_have_attribute("src", re.compile("^data:image/jpeg;base64,"))
        await card.photograph("poster")
        await button(card, "Open video").click()
        url = (await card.result())["structuredContent"]["assets"]["video"]
        assert await card.has_asked("links") == [url]


async def test_without_leave_to_load_a_gallery_shows_posters(theatre: Theatre) -> None:
    async with theatre.conversation(forbids=True) as conversation:
        await fill(theatre, conversation, pictures=3)
        await theatre.draw(conversation)
        card = await conversation.open("list_generations", FORBIDS)
        await expect(tiles(card).locator("img[src^='data:image/jpeg']")).to_have_count(5)
        await card.photograph("gallery-posters")
        calls = [call["arguments"] for call in await card.asked("toolCalls")]
        assert [call.get("with_poster") for call in calls] == [True] * 5


# The dialect of ChatGPT


async def open_in_chatgpt(
    conversation: Conversation, tool: str, *, holds: bool = False, **arguments: object
) -> Card:
    """Show a page, and let the moment pass in which it waits for an answer in the standard."""
    await conversation.tab.clock.install()
    wishes = {"dialect": "chatgpt", "holds": holds}
    card = await conversation.open(tool, wishes, **arguments)
    await conversation.tab.clock.run_for(2_000)
    return card


async def test_in_chatgpt_a_job_is_shown_followed_and_gone_on_with(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await open_in_chatgpt(conversation, "create_generation", prompt=PROMPT)
        await expect(status(card)).to_have_text("Queued")
        await theatre.let_pass(3)
        await expect(status(card)).to_have_text("Dreaming")
        await theatre.let_pass(8)
        await expect(status(card)).to_have_text("Ready")
        await expect(card.page.locator("video")).not_to_have_js_property("videoWidth", 0)
        job_id = (await card.result())["structuredContent"]["id"]
        await button(card, "Variation").click()
        (message,) = await card.has_asked("messages")
        assert job_id in message["prompt"]
        await button(card, "Download").click()
        (link,) = await card.has_asked("links")
        assert link.startswith(theatre.media)
        sizes = await card.has_asked("sizes")
        assert sizes[-1]["height"] > 200
        await card.change(theme="dark")
        await expect(card.page.locator("html")).to_have_attribute("data-theme", "dark")
        await card.photograph("chatgpt")


async def test_in_chatgpt_the_answer_may_come_after_the_page(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        card = await open_in_chatgpt(conversation, "create_generation", holds=True, prompt=PROMPT)
        await expect(status(card)).to_have_text("Waiting for Luma…")
        await card.deliver()
        await expect(status(card)).to_have_text("Queued")
        await expect(card.body).to_contain_text(PROMPT)


async def test_in_chatgpt_a_gallery_is_shown(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        await fill(theatre, conversation, pictures=1)
        card = await open_in_chatgpt(conversation, "list_generations", limit=3)
        await expect(tiles(card)).to_have_count(3)
        await button(card, "Load more").click()
        await expect(tiles(card)).to_have_count(5)


# The tool that is for pages


async def test_the_tool_for_pages_is_kept_from_the_model_and_from_others(theatre: Theatre) -> None:
    async with theatre.conversation() as conversation:
        meta = {
            tool["name"]: tool["_meta"] for tool in await conversation.tab.evaluate("host.tools")
        }
        private = meta["refresh_generation"]
        assert private["ui"]["visibility"] == ["app"]
        assert private["openai/visibility"] == "private"
        assert private["openai/widgetAccessible"] is True
        known = set(await conversation.tab.evaluate("host.forTheModel"))
        assert {"list_generations", "get_generation"} <= known
        assert "refresh_generation" not in known
        job_id = await theatre.made(conversation, "create_generation", prompt=PROMPT)
    async with theatre.conversation(new_keys()) as stranger:
        refused = await stranger.call("refresh_generation", generation_id=job_id, with_poster=True)
    assert refused["isError"]
    assert refused["structuredContent"]["code"] == "not_found"

"""The page for people."""

import asyncio
import html
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import get_args

import httpx
import pytest
from playwright.async_api import async_playwright, expect
from starlette.applications import Starlette
from starlette.routing import Route

from luma_mcp.luma.catalogue import MODELS, Operation, estimate
from luma_mcp.pages import SCRIPT, STYLE, asset_routes
from luma_mcp.services import Services
from luma_mcp.settings import Settings, load_settings
from luma_mcp.tools import build_tools
from luma_mcp.web.home import Home
from tests.documents import README
from tests.e2e.requirements import need_program
from tests.luma.upstream import Line, playing
from tests.pages.markup import Markup, faults
from tests.servers import bound_socket, serving, url_of
from tests.services import open_services_over

OAUTH_ENDPOINT = "https://luma.test/oauth/mcp"
ORIGIN = "http://luma.test"


def application(
    settings: Settings, services: Services | None = None, **options: object
) -> Starlette:
    home = Home(settings, build_tools().values(), **options)
    app = Starlette(routes=[Route("/", home, methods=["GET"]), *asset_routes()])
    if services is not None:
        app.state.services = services
    return app


async def page_of(settings: Settings, services: Services | None = None, **options: object) -> str:
    """Give the text of the page without its tags, in one line."""
    return " ".join(
        Markup(await html_of(settings, services, **options)).all("body")[0].text.split()
    )


async def html_of(settings: Settings, services: Services | None = None, **options: object) -> str:
    transport = httpx.ASGITransport(application(settings, services, **options))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as visitor:
        response = await visitor.get("/")
    assert response.status_code == 200
    return response.text


@asynccontextmanager
async def services_asking(url: str) -> AsyncGenerator[Services]:
    """Open services whose Luma is at this address, over a real socket."""
    settings = load_settings(dream_machine_url=url, agents_url=url)
    async with open_services_over(httpx.AsyncHTTPTransport(), settings) as services:
        yield services


async def test_the_page_names_this_servers_own_endpoint_and_every_tool(
    browser: httpx.AsyncClient,
) -> None:
    response = await browser.get("/")
    assert response.status_code == 200
    assert f"{str(browser.base_url).rstrip('/')}/mcp" in response.text
    for name, tool in build_tools().items():
        is_shown = f'<dt id="{name}"><code>{name}</code></dt>' in response.text
        assert is_shown != tool.is_for_pages
    assert "luma-sandbox" in response.text


async def test_the_page_gives_the_readmes_recipes_with_its_own_address(
    browser: httpx.AsyncClient,
) -> None:
    page = html.unescape((await browser.get("/")).text)
    recipes = re.findall(r"```(?:json|text)\n(.*?)```", README.read_text(), re.DOTALL)
    recipes = [recipe for recipe in recipes if "http://127.0.0.1:8000/mcp" in recipe]
    assert len(recipes) == 3
    for recipe in recipes:
        address = str(browser.base_url).rstrip("/")
        assert recipe.strip().replace("http://127.0.0.1:8000", address) in page


@pytest.mark.parametrize("oauth_endpoint", [None, OAUTH_ENDPOINT])
async def test_the_page_is_well_formed_and_can_be_heard(oauth_endpoint: str | None) -> None:
    page = await html_of(load_settings(sandbox=True), oauth_endpoint=oauth_endpoint)
    assert faults(page) == []


async def test_the_page_loads_the_stylesheet_and_the_script_and_nothing_else() -> None:
    markup = Markup(await html_of(load_settings()))
    assert [link.attributes["href"] for link in markup.all("link")] == [STYLE.url]
    assert markup.values("src") == [SCRIPT.url]


async def test_the_server_gives_what_its_page_loads(browser: httpx.AsyncClient) -> None:
    markup = Markup((await browser.get("/")).text)
    (style,), (script,) = markup.all("link"), markup.all("script")
    assert (await browser.get(style.attributes["href"])).content == STYLE.content
    assert (await browser.get(script.attributes["src"])).content == SCRIPT.content


async def test_every_block_of_code_holds_an_address_of_this_server() -> None:
    markup = Markup(await html_of(load_settings(), oauth_endpoint=OAUTH_ENDPOINT))
    blocks = [pre.text for pre in markup.all("pre")]
    assert len(blocks) == 15
    assert all(f"{ORIGIN}/mcp" in text or text == OAUTH_ENDPOINT for text in blocks)
    assert blocks.count(OAUTH_ENDPOINT) == 2


async def test_clients_that_sign_in_are_led_to_where_they_can() -> None:
    page = await html_of(load_settings(), oauth_endpoint=OAUTH_ENDPOINT)
    assert page.count(OAUTH_ENDPOINT) == 2
    assert "LUMA_MCP_SECRET_KEY" not in page


async def test_where_nobody_can_sign_in_the_page_says_what_is_missing() -> None:
    page = await page_of(load_settings(), oauth_endpoint=None)
    assert "Claude signs in with OAuth, which is switched off here" in page
    assert "ChatGPT signs in with OAuth, which is switched off here" in page


def prices(operation: Operation) -> set[float | None]:
    """Give the prices of all models, at lengths and sizes that all of them have."""
    return {
        estimate(operation, model.name, {"source_seconds": seconds, **sizes}).usd
        for model in MODELS.values()
        if operation in model.uses
        for seconds in (1, 5)
        for sizes in ({"resolution": "540p", "source_resolution": "540p"}, {})
    }


async def test_tools_that_create_say_what_they_cost_at_least() -> None:
    markup = Markup(await html_of(load_settings()))
    names = [dt.text for dt in markup.all("dt") if dt.attributes.get("id")]
    answers = [dd.text for dd in markup.all("dd")][-len(names) :]
    said = {
        name: float(found[1])
        for name, text in zip(names, answers, strict=True)
        if (found := re.search(r"from \$([\d.]+) \(", text))
    }
    known = {name: prices(name) - {None} for name in get_args(Operation)}
    assert said == {name: min(found) for name, found in known.items() if found}


async def test_a_tool_stands_in_the_last_of_its_groups_that_is_on_offer() -> None:
    everything = await page_of(load_settings())
    some = Markup(await html_of(load_settings(toolsets=("videos",))))
    assert re.search(r"Generations get_generation ", everything)
    assert [one.text for one in some.all("h3")][-1] == "Videos"
    assert "get_generation" in [one.text for one in some.all("dt")]
    assert "generate_image" not in [one.text for one in some.all("dt")]


async def test_the_page_says_that_luma_answers(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/")).text
    assert "This server is running" in page
    assert "The sandbox answers" in page


async def test_the_page_says_that_luma_cannot_be_reached() -> None:
    with bound_socket() as nobody_listens:
        async with services_asking(url_of(nobody_listens)) as services:
            page = await page_of(services.settings, services)
    assert "This server is running Luma cannot be reached just now" in page


async def test_a_silent_luma_does_not_hold_the_page_up_but_is_heard_in_the_end() -> None:
    asked, speak = asyncio.Event(), asyncio.Event()

    async def hesitate(line: Line) -> None:
        await line.hear()
        asked.set()
        await speak.wait()
        await line.say(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    async with playing(hesitate) as upstream, services_asking(upstream.url) as services:
        home = application(services.settings, services, patience_seconds=0)
        transport = httpx.ASGITransport(home)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as visitor:
            assert "Luma is slow to answer just now" in (await visitor.get("/")).text
            await asked.wait()
            at_work = asyncio.all_tasks()
            assert "Luma is slow to answer just now" in (await visitor.get("/")).text
            assert asyncio.all_tasks() == at_work, "the second visit asks the same question"
            speak.set()
            await services.reachability.check()
            assert "Luma answers" in (await visitor.get("/")).text
    assert upstream.connections == 1


async def test_the_page_is_there_before_the_services_are() -> None:
    assert "Luma is slow to answer just now" in await page_of(load_settings())


async def test_the_page_shows_the_public_address_and_no_sandbox_where_there_is_none() -> None:
    settings = load_settings(public_url="https://luma.example.com/", readonly=True)
    page = await html_of(settings)
    assert "https://luma.example.com/mcp" in page
    assert "sandbox" not in page
    assert "create_generation</code></dt>" not in page


async def test_below_a_path_the_page_finds_its_stylesheet_and_its_links() -> None:
    page = await html_of(load_settings(public_url="https://example.com/luma/"))
    assert f'href="/luma{STYLE.url}"' in page
    assert f'src="/luma{SCRIPT.url}"' in page
    assert 'href="/luma/healthz"' in page


async def test_the_page_only_answers_get_and_head(browser: httpx.AsyncClient) -> None:
    assert (await browser.head("/")).status_code == 200
    assert (await browser.post("/")).status_code == 405


async def test_in_a_browser_code_can_be_copied_and_nothing_is_blocked() -> None:
    need_program("chromium")
    complaints: list[str] = []
    async with serving(application(load_settings())) as url, async_playwright() as driver:
        program = await driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        context = await program.new_context(
            permissions=["clipboard-read", "clipboard-write"],
            viewport={"width": 320, "height": 640},
        )
        tab = await context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        await tab.goto(f"{url}/#codex")  # a link to a recipe opens it
        await tab.get_by_role("button", name="Copy the command for Codex").click()
        await expect(tab.get_by_role("status")).to_have_text("Copied")
        copied = await tab.evaluate("navigator.clipboard.readText()")
        width = await tab.evaluate("document.documentElement.scrollWidth")
        await program.close()
    assert copied.startswith(f"codex mcp add luma --url {url}/mcp ")
    assert width == 320
    assert complaints == []

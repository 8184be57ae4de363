"""The page for people."""

import html
import re

import httpx

from luma_mcp.settings import load_settings
from luma_mcp.tools import build_tools
from luma_mcp.web.app import build_app
from tests.documents import README
from tests.servers import serving


async def test_the_page_names_this_servers_own_endpoint_and_every_tool(
    browser: httpx.AsyncClient,
) -> None:
    response = await browser.get("/")
    assert response.status_code == 200
    assert f"{str(browser.base_url).rstrip('/')}/mcp" in response.text
    for name in build_tools():
        assert f"<dt>{name}</dt>" in response.text
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


async def test_the_page_runs_no_script_and_loads_nothing(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "<script" not in response.text


async def test_the_page_shows_the_public_address_and_no_sandbox_where_there_is_none() -> None:
    settings = load_settings(public_url="https://luma.example.com/", readonly=True)
    async with serving(build_app(settings)) as url, httpx.AsyncClient() as client:
        response = await client.get(url)
    assert "https://luma.example.com/mcp" in response.text
    assert "sandbox" not in response.text
    assert "<dt>create_generation</dt>" not in response.text


async def test_the_page_only_answers_get_and_head(browser: httpx.AsyncClient) -> None:
    assert (await browser.head("/")).status_code == 200
    assert (await browser.post("/")).status_code == 405

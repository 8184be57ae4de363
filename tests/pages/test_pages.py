"""Rendering: strict headers, escaped values, and assets whose URLs change with their content."""

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from jinja2 import UndefinedError
from starlette.applications import Starlette

from luma_mcp import pages
from luma_mcp.pages import SCRIPT, STYLE, Asset, asset_routes, page

ASSETS = pytest.mark.parametrize("asset", [STYLE, SCRIPT], ids=lambda asset: asset.name)
TEMPLATES = sorted((Path(pages.__file__).parent / "templates").glob("*.html"))


@pytest.fixture
def visitor() -> httpx.AsyncClient:
    app = Starlette(routes=asset_routes())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://luma.test")


def test_a_page_may_load_nothing_but_our_stylesheet() -> None:
    response = page("layout.html")
    assert response.status_code == 200
    assert response.media_type == "text/html"
    assert dict(response.headers) == {
        "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "content-length": response.headers["content-length"],
        "content-type": "text/html; charset=utf-8",
    }


def test_a_page_with_a_form_may_send_it_here_and_is_kept_nowhere() -> None:
    headers = page("layout.html", form=True).headers
    assert "; form-action 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_a_page_has_the_script_exactly_where_its_policy_allows_it() -> None:
    with_script, without = page("layout.html", script=True), page("layout.html")
    assert "; script-src 'self'; " in with_script.headers["content-security-policy"]
    assert "script-src" not in without.headers["content-security-policy"]
    assert SCRIPT.url.encode() in with_script.body
    assert b"<script" not in without.body


def test_the_status_is_the_one_asked_for() -> None:
    assert page("layout.html", status=422).status_code == 422


def test_what_comes_from_outside_is_text() -> None:
    body = bytes(page("layout.html", base='"><script>').body).decode()
    assert "&#34;&gt;&lt;script&gt;" in body
    assert "<script" not in body


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_calls_anything_safe(template: Path) -> None:
    text = template.read_text()
    assert "| safe" not in text
    assert "|safe" not in text
    assert "autoescape" not in text


def test_a_value_that_is_missing_is_a_fault_of_ours() -> None:
    values = {"groups": {}, "apis": (), "toolsets": {}, "luma": True, "sandbox": False, "base": ""}
    with pytest.raises(UndefinedError, match="'version' is undefined"):
        page("home.html", endpoint="", upstream="Luma", **values)


@ASSETS
async def test_what_pages_load_is_there_and_kept_for_a_year(
    visitor: httpx.AsyncClient, asset: Asset
) -> None:
    async with visitor:
        got, head = await visitor.get(asset.url), await visitor.head(asset.url)
        posted = await visitor.post(asset.url)
    assert got.content == asset.content
    assert got.headers["content-type"] == f"{asset.media_type}; charset=utf-8"
    assert got.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert head.status_code == 200
    assert posted.status_code == 405


@ASSETS
def test_the_url_of_an_asset_changes_with_its_content_alone(asset: Asset) -> None:
    assert re.fullmatch(rf"/assets/{asset.name}-[0-9a-f]{{16}}\.{asset.suffix}", asset.url)
    assert replace(asset).url == asset.url
    assert replace(asset, content=asset.content + b" ").url != asset.url


@ASSETS
def test_an_asset_loads_nothing_itself(asset: Asset) -> None:
    assert re.search(rb"url\(|@import|https?://|import\(|fetch\(", asset.content) is None

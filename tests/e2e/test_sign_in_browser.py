"""The sign-in as a person sees it: in a real browser, by mouse, by keyboard, without scripts."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey
from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    expect,
)
from playwright.async_api import Page as Tab

from tests.e2e.browsers import (
    ARTEFACTS,
    NARROWEST,
    OVERFLOW,
    PATIENCE_MS,
    Witness,
    open_chromium,
    origin_of,
)
from tests.e2e.sign_in import (
    PATH,
    SECRET_KEY,
    STATE,
    App,
    Callback,
    Pkce,
    Server,
    SignedIn,
    authorize_url,
    call,
    consent,
    discover,
    document_app,
    exchange,
    listening,
    new_pkce,
    public_process,
    publishing,
    refresh,
    registered,
    revoke,
    visitor,
)
from tests.e2e.test_first_light import call as use
from tests.e2e.test_first_light import connect
from tests.servers import product

DREAM_MACHINE, AGENTS = "dream_machine_key", "agents_key"
CONNECT, CANCEL = "button[value=connect]", "button[value=cancel]"
WIDE, NARROW = 1280, 360
ODD_STATE = "a b+c%20&d=1;url='\"><b>/"
MARKUP = "<b>Ada's</b> &amp; <script>alert(1)</script>"
ORDER = [DREAM_MACHINE, AGENTS, "read_only", "connect", "cancel"]
MANY_STOPS = 20
# The name of a field, what a button says, nothing for a link.
FOCUSED = "(({name, value, type}) => type == 'submit' ? value : name)(document.activeElement)"
USUAL_TEXT, DOUBLE_TEXT = 16, 32
FONT_SIZE = "parseFloat(getComputedStyle(document.querySelector('label, p')).fontSize)"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests here, in which the browser lives."""
    return "asyncio"


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with open_chromium() as browser:
        yield browser


@dataclass
class Walk:
    """One person on the way through the pages, and the client that sent them."""

    url: str
    http: httpx.AsyncClient
    server: Server
    app: App
    callback: Callback
    context: BrowserContext
    tab: Tab
    pkce: Pkce = field(default_factory=new_pkce)

    async def begin(self, **changes: str | None) -> None:
        """Open the page that asks for a key."""
        await self.tab.goto(authorize_url(self.server, self.app, self.pkce, **changes))

    async def submit(self, **keys: str) -> None:
        """Fill in keys, and press the button."""
        for name in (DREAM_MACHINE, AGENTS):
            await self.tab.locator(f"#{name}").fill(keys.get(name, ""))
        await self.tab.locator(CONNECT).click()

    async def back(self) -> dict[str, str]:
        """Give what the browser brought back, once it is there."""
        await self.tab.wait_for_url(f"{self.callback.url}?*")
        heard = await self.callback.heard()
        assert (heard["state"], heard["iss"]) == (STATE, self.server.issuer)
        return heard

    async def signed_in(self) -> SignedIn:
        """Get the tokens for the code that the browser brought back."""
        code = (await self.back())["code"]
        answer = await exchange(self.http, self.server, self.app, code, self.pkce.verifier)
        assert answer.status_code == 200, answer.text
        return SignedIn(self.server, self.app, self.pkce, code, answer.json())


@asynccontextmanager
async def walking(
    chromium: Browser, url: str, app: App | None = None, **options: str | bool
) -> AsyncGenerator[Walk]:
    """Open a browser of one's own, and see at the end that its pages did what pages may do.

    Args:
        chromium: Where it runs.
        url: The server's.
        app: The client; by default one that is registered.
        options: Of the browser; and `client_name`.
    """
    client_name = options.pop("client_name", "Ada's client")
    async with (
        visitor() as http,
        listening() as callback,
        await chromium.new_context(**options) as context,
    ):
        server = await discover(http, url + PATH)
        app = replace(app, redirect_uri=callback.url) if app else None
        if app is None:
            uris = [callback.url]
            app = await registered(http, server, client_name=client_name, redirect_uris=uris)
        context.set_default_timeout(PATIENCE_MS)
        tab = await context.new_page()
        witness = Witness(tab)
        walk = Walk(url, http, server, app, callback, context, tab)
        await walk.begin()
        yield walk
        assert witness.complaints == []
        assert witness.asked <= {url, origin_of(callback.url)}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with product(is_public=True, secret_key=SECRET_KEY) as url:
        yield url


async def tools_of(endpoint: str, token: str) -> set[str]:
    async with connect(endpoint, token) as client:
        return {tool.name for tool in await client.list_tools()}


async def test_a_person_signs_in_and_the_client_works_until_it_signs_out(
    chromium: Browser, url: str
) -> None:
    async with walking(chromium, url) as walk:
        await walk.submit(dream_machine_key="luma-ada")
        signed_in = await walk.signed_in()
        for endpoint in (f"{url}/oauth/mcp", f"{url}/mcp"):
            async with connect(endpoint, signed_in.access_token) as client:
                assert "create_generation" in {tool.name for tool in await client.list_tools()}
                job = await use(client, "create_generation", prompt="A paper boat")
                assert job["state"] == "queued"
        async with connect(f"{url}/mcp", "luma-ada") as herself:
            listed = await use(herself, "list_generations")
        answer = await refresh(walk.http, walk.server, walk.app, signed_in.refresh_token)
        tokens = answer.json()
        before = [(await call(walk.http, url + PATH, tokens["access_token"])).status_code]
        revoked = await revoke(walk.http, walk.server, walk.app, tokens["refresh_token"])
        after = [
            (await call(walk.http, endpoint, token)).status_code
            for endpoint in (f"{url}/oauth/mcp", f"{url}/mcp")
            for token in (signed_in.access_token, tokens["access_token"])
        ]
    assert len(listed["generations"]) == 2
    assert (before, revoked.status_code, after) == ([200], 200, [401] * 4)


REFUSED = [
    ({}, DREAM_MACHINE),
    ({DREAM_MACHINE: "luma-api-ada"}, DREAM_MACHINE),
    ({AGENTS: "luma-ada"}, AGENTS),
    ({DREAM_MACHINE: "nonsense"}, DREAM_MACHINE),
    ({AGENTS: "luma-api-suspended"}, AGENTS),
    ({DREAM_MACHINE: "luma-ada", AGENTS: "luma-api-revoked"}, AGENTS),
]


async def test_a_key_that_cannot_work_is_refused_beside_its_field_until_one_works(
    chromium: Browser, url: str
) -> None:
    async with walking(chromium, url) as walk:
        seen = []
        for keys, field_name in REFUSED:
            await walk.submit(**keys)
            error = walk.tab.locator(f"#{field_name}-error")
            assert await error.is_visible(), keys
            seen.append(await error.inner_text())
            wrong = walk.tab.locator("[aria-invalid=true]")
            assert [await one.get_attribute("id") for one in await wrong.all()] == [field_name]
            described = await wrong.get_attribute("aria-describedby") or ""
            assert f"{field_name}-error" in described.split()
            await expect(wrong).to_be_focused()
            page = await walk.tab.content()
            assert not any(key in page for key in keys.values())
        await walk.submit(dream_machine_key="luma-ada")
        signed_in = await walk.signed_in()
        assert await tools_of(url + PATH, signed_in.access_token)
    assert all(sentence.endswith(".") for sentence in seen)


async def test_a_person_may_cancel(chromium: Browser, url: str) -> None:
    async with walking(chromium, url) as walk:
        await walk.tab.locator(CANCEL).click()
        back = await walk.back()
    assert back["error"] == "access_denied"
    assert "code" not in back


async def test_the_keyboard_is_enough(chromium: Browser, url: str) -> None:
    async with walking(chromium, url) as walk:
        stops: list[str] = [""]
        while len(stops) < MANY_STOPS and stops[-1] != "cancel":
            await walk.tab.keyboard.press("Tab")
            stops.append(await walk.tab.evaluate(FOCUSED))
        assert list(filter(None, stops)) == ORDER
        while await walk.tab.evaluate(FOCUSED) != AGENTS:
            await walk.tab.keyboard.press("Shift+Tab")
        await walk.tab.keyboard.type("luma-api-ada")
        await walk.tab.keyboard.press("Enter")
        signed_in = await walk.signed_in()
        async with connect(url + PATH, signed_in.access_token) as client:
            assert (await use(client, "ping"))["apis"] == ["agents"]


async def test_scripts_may_be_switched_off(chromium: Browser, url: str) -> None:
    async with walking(chromium, url, java_script_enabled=False) as walk:
        await walk.submit(dream_machine_key="nonsense")
        assert await walk.tab.locator(f"#{DREAM_MACHINE}-error").is_visible()
        await walk.submit(dream_machine_key="luma-ada")
        signed_in = await walk.signed_in()
        assert (await call(walk.http, url + PATH, signed_in.access_token)).status_code == 200


async def test_both_keys_can_be_given_at_once(chromium: Browser, url: str) -> None:
    async with walking(chromium, url) as walk:
        await walk.submit(dream_machine_key="luma-ada", agents_key="luma-api-ada")
        signed_in = await walk.signed_in()
        async with connect(url + PATH, signed_in.access_token) as client:
            assert (await use(client, "ping"))["apis"] == ["dream_machine", "agents"]


async def test_a_client_that_may_only_look_has_no_tools_that_create(
    chromium: Browser, url: str
) -> None:
    async with walking(chromium, url) as walk:
        await walk.tab.get_by_role("checkbox").check()
        await walk.submit(dream_machine_key="luma-ada")
        signed_in = await walk.signed_in()
        renewed = await refresh(walk.http, walk.server, walk.app, signed_in.refresh_token)
        for token in (signed_in.access_token, renewed.json()["access_token"]):
            for endpoint in (f"{url}/oauth/mcp", f"{url}/mcp"):
                async with connect(endpoint, token) as client:
                    tools = {tool.name for tool in await client.list_tools()}
                    refused = await use(client, "create_generation", prompt="A paper boat")
                assert "get_credits" in tools
                assert not {"create_generation", "generate_image", "delete_generation"} & tools
                assert refused["code"] == "refused_by_policy"


async def test_what_a_client_calls_itself_is_shown_as_text(chromium: Browser, url: str) -> None:
    async with walking(chromium, url, client_name=MARKUP) as walk:
        assert MARKUP in await walk.tab.locator("body").inner_text()
        assert await walk.tab.locator("script, b").count() == 0


async def test_the_page_says_who_asks_and_where_the_answer_goes(
    chromium: Browser, url: str
) -> None:
    async with walking(chromium, url) as walk:
        text = await walk.tab.locator("main").inner_text()
        title = await walk.tab.title()
    assert "Ada's client" in text
    assert "Ada's client" in title
    assert urlsplit(walk.callback.url).netloc in text


async def test_everything_on_the_page_has_a_name_that_can_be_read_out(
    chromium: Browser, url: str
) -> None:
    async with walking(chromium, url) as walk:
        await walk.submit(agents_key="luma-ada")
        main = walk.tab.get_by_role("main")
        assert await main.get_by_role("heading", level=1).count() == 1
        for kind, count in (("textbox", 2), ("checkbox", 1), ("button", 2)):
            found = await main.get_by_role(kind).all()
            names = {await one.aria_snapshot() for one in found}
            assert len(found) == len(names) == count, names
            assert all('"' in name for name in names), names
        refused = main.locator(f"#{AGENTS}")
        assert "[invalid]" in await refused.aria_snapshot()
        error = await main.locator(f"#{AGENTS}-error").inner_text()
        await expect(refused).to_have_accessible_description(re.compile(re.escape(error)))


async def test_two_tabs_of_one_browser_do_not_disturb_each_other(
    chromium: Browser, url: str
) -> None:
    async with walking(chromium, url) as walk:
        first, walk.tab = walk.tab, await walk.context.new_page()
        await walk.begin(state=ODD_STATE)
        await first.locator(f"#{DREAM_MACHINE}").fill("luma-ada")
        await first.locator(CONNECT).click()
        await first.wait_for_url(f"{walk.callback.url}?*")
        assert (await walk.callback.heard())["state"] == STATE
        await walk.submit(dream_machine_key="luma-ada")
        await walk.tab.wait_for_url(f"{walk.callback.url}?*")
        assert (await walk.callback.heard())["state"] == ODD_STATE


async def test_another_browser_cannot_go_on_with_a_sign_in(chromium: Browser, url: str) -> None:
    async with walking(chromium, url) as walk, await chromium.new_context() as other:
        tab = await other.new_page()
        answer = await tab.goto(walk.tab.url)
        assert answer is not None
        assert answer.status in {400, 403}
        assert await tab.locator("form").count() == 0
        assert await tab.get_by_role("heading", level=1).count() == 1


async def test_a_client_described_by_a_document_signs_in(chromium: Browser, tmp_path: Path) -> None:
    app = document_app()
    keyed = document_app("/keyed.json", ECKey.generate_key("P-256", auto_kid=True))
    async with (
        publishing(tmp_path, app, keyed) as documents,
        public_process(**documents.variables) as (_, url),
    ):
        async with walking(chromium, url, app) as walk:
            host = urlsplit(app.id).netloc
            text = await walk.tab.locator("main").inner_text()
            assert "Client of a document" in text
            assert host in text
            await walk.submit(dream_machine_key="luma-ada")
            signed_in = await walk.signed_in()
            assert await tools_of(url + PATH, signed_in.access_token)
            renewed = await refresh(walk.http, walk.server, walk.app, signed_in.refresh_token)
            assert renewed.status_code == 200
        async with visitor() as http:
            await _sign_in_with_a_key(http, url + PATH, keyed)
    assert documents.asked[::2] == ["CONNECT 93.184.216.34:443 HTTP/1.1"] * 2
    assert documents.asked[1::2] == ["/client.json", "/keyed.json"]


async def _sign_in_with_a_key(http: httpx.AsyncClient, endpoint: str, app: App) -> None:
    """Walk as a client that proves by signatures who it is; nobody else gets its tokens."""
    server, pkce = await discover(http, endpoint), new_pkce()
    onward = await consent(http, authorize_url(server, app, pkce), dream_machine_key="luma-ada")
    code = httpx.URL(onward).params["code"]
    proof = app.assertion(server.metadata["token_endpoint"])
    stranger = replace(app, key=ECKey.generate_key("P-256", {"kid": app.key.kid}))
    for impostor in (replace(app, method="none"), stranger):
        refused = await exchange(http, server, impostor, code, pkce.verifier)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    answer = await exchange(http, server, app, code, pkce.verifier, client_assertion=proof)
    tokens = answer.json()
    old = {"client_assertion": proof}
    replayed = await refresh(http, server, app, tokens["refresh_token"], **old)
    assert (replayed.status_code, replayed.json()["error"]) == (401, "invalid_client")
    renewed = await refresh(http, server, app, tokens["refresh_token"])
    assert (await call(http, endpoint, renewed.json()["access_token"])).status_code == 200
    assert (await revoke(http, server, app, tokens["refresh_token"])).status_code == 200
    assert (await call(http, endpoint, tokens["access_token"])).status_code == 401


@pytest.fixture
def artefacts() -> Path:
    """Where pictures are kept for people to look at."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS


class Photographer:
    """Takes pictures of a page on wide and narrow screens, and sees that it fits everywhere."""

    def __init__(self, tab: Tab, settings: CDPSession, folder: Path, scheme: str) -> None:
        self._tab = tab
        self._settings = settings
        self._folder = folder
        self._scheme = scheme

    async def _resize(self, width: int, text: int = USUAL_TEXT) -> None:
        await self._tab.set_viewport_size({"width": width, "height": 800})
        await self._settings.send("Page.setFontSizes", {"fontSizes": {"standard": text}})

    async def look(self, name: str) -> None:
        for width in (WIDE, NARROW):
            await self._resize(width)
            path = self._folder / f"{name}-{self._scheme}-{width}.png"
            await self._tab.screenshot(path=path, full_page=True)
        await self._resize(NARROWEST)
        assert await self._tab.evaluate(OVERFLOW) <= 0, name
        await self._resize(WIDE // 2)
        size = await self._tab.evaluate(FONT_SIZE)
        await self._resize(WIDE // 2, DOUBLE_TEXT)
        assert await self._tab.evaluate(FONT_SIZE) == 2 * size
        assert await self._tab.evaluate(OVERFLOW) <= 0, name
        await self._resize(WIDE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_fit_every_screen(
    chromium: Browser, url: str, artefacts: Path, scheme: str
) -> None:
    async with walking(chromium, url, color_scheme=scheme) as walk:
        settings = await walk.context.new_cdp_session(walk.tab)
        photographer = Photographer(walk.tab, settings, artefacts, scheme)
        await photographer.look("connect")
        await walk.submit(dream_machine_key="luma-api-ada")
        await photographer.look("connect-error")
        await walk.tab.goto(url)
        await photographer.look("home")

"""Where an answer may go, read as browsers read it, whatever a client makes up."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, TypeAdapter
from yarl import URL

from luma_mcp.oauth.redirects import MAX_LENGTH, Redirects, matches, normalized
from luma_mcp.settings import KNOWN_REDIRECTS

USUAL = Redirects(KNOWN_REDIRECTS)
HOSTS = {"claude.ai", "claude.com", "chatgpt.com", "vscode.dev", "insiders.vscode.dev"}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
GOOD = [
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
    "https://claude.ai:443/cb",
    "HTTPS://CLAUDE.AI/cb",
    "https:\\\\claude.ai/cb",
    "https://cl\naude.ai/cb",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "CURSOR://anysphere.cursor-mcp/oauth/callback",
    "http://localhost:7777/cb",
    "http://localhost",
    "http://127.0.0.1:7777/cb?a=b",
    "http://[::1]:7777/cb",
    "http://localhost:*/cb",
]
BAD = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\nscript:alert(1)",
    "javascript://claude.ai/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://claude.ai/x",
    "about:blank",
    "ftp://claude.ai/",
    "ws://claude.ai/",
    "https://claude.ai.evil.example/cb",
    "https://evil.example/claude.ai",
    "https://evil.example?claude.ai",
    "https://evil.example#claude.ai",
    "https://evil.example\\@claude.ai/cb",
    "https://claude.ai@evil.example/cb",
    "https://claude.ai:x@evil.example/cb",
    "https://user@claude.ai/cb",
    "https://claude.ai:444/cb",
    "https://claude.ai./cb",
    "https://.claude.ai/cb",
    "https://www.claude.ai/cb",
    "https://evilclaude.ai/cb",
    "https://cl\u0430ude.ai/cb",
    "https://\u0441laude.ai/cb",
    "https://claude.ai%2eevil.example/cb",
    "https://claude.ai%00.evil.example/cb",
    "https://claude.ai\u3002evil.example/cb",
    "https://claude.ai/cb#fragment",
    "https://claude.ai/cb#",
    "//claude.ai/cb",
    "/cb",
    "claude.ai/cb",
    "https:",
    "https://",
    "https:///",
    "http://claude.ai/cb",
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil/",
    "http://localhost.evil.example/",
    "http://evil.localhost/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::]/",
    "http://0.0.0.0/",
    "http://127.0.0.2/",
    "http://10.0.0.1/",
    "http://user@127.0.0.1/",
    "http://127.0.0.1@evil.example/",
    "http://127.0.0.1#@evil.example/",
    "https://localhost/cb",
    "https://127.0.0.1/cb",
    "http://localhost:99999/",
    "http://localhost:*.evil.example/cb",
    "evil://claude.ai/",
    "cursor2://x",
    "cursor//x",
    "",
    " ",
    "\x00",
    "https://claude.ai/" + "x" * MAX_LENGTH,
]


def is_allowed(uri: str) -> bool:
    written = normalized(uri)
    return written is not None and USUAL.allow(written)


@pytest.mark.parametrize("uri", GOOD)
def test_known_clients_are_answered(uri: str) -> None:
    assert is_allowed(uri)


@pytest.mark.parametrize("uri", BAD)
def test_nobody_else_is_answered(uri: str) -> None:
    assert not is_allowed(uri)


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("http://2130706433/cb", "127.0.0.1"),
        ("http://0x7f.1/cb", "127.0.0.1"),
        ("https://\uff43laude.ai/cb", "claude.ai"),
        ("https://claude%2eai/cb", "claude.ai"),
        ("https://claude.ai\\@evil.example/cb", "claude.ai"),
        ("http://127.0.0.1\\@evil.example/", "127.0.0.1"),
    ],
)
def test_a_disguise_is_taken_off_before_anybody_looks_or_goes_there(uri: str, host: str) -> None:
    written = normalized(uri)
    assert written is not None
    assert urlsplit(written).hostname == host


@pytest.mark.parametrize("name", ["code", "state", "error", "c%6fde"])
def test_a_place_cannot_bring_an_answer_of_its_own(name: str) -> None:
    assert not is_allowed(f"https://claude.ai/cb?{name}=chosen-by-whoever-registered")
    assert not is_allowed(f"https://claude.ai/cb?tenant=1&{name}")
    assert is_allowed(f"https://claude.ai/cb?my_{name}=1")


@pytest.mark.parametrize(
    ("allowed", "good", "bad"),
    [
        (["luma.example:8443"], "https://luma.example:8443/cb", "https://luma.example/cb"),
        (["zed:"], "zed://cb", "cursor://cb"),
        (["loopback"], "http://127.0.0.1/cb", "https://claude.ai/cb"),
        (["claude.ai"], "https://claude.ai/cb", "http://127.0.0.1/cb"),
    ],
)
def test_an_operator_allows_as_little_as_it_likes(allowed: list[str], good: str, bad: str) -> None:
    assert Redirects(allowed).allow(good)
    assert not Redirects(allowed).allow(bad)
    assert not Redirects([]).allow(good)


def alike(registered: str, asked: str) -> bool:
    first, second = normalized(registered), normalized(asked)
    assert first is not None
    return second is not None and matches(first, second)


@pytest.mark.parametrize(
    "asked",
    [
        "https://claude.ai/cb",
        "https://claude.ai:443/cb",
        "https://CLAUDE.ai/x/../cb",
        "https://claude.ai/%2e/cb",
    ],
)
def test_two_ways_to_write_one_address_are_alike(asked: str) -> None:
    assert alike("https://claude.ai/cb", asked)


@pytest.mark.parametrize(
    "asked",
    [
        "https://claude.ai/cb/",
        "https://claude.ai/CB",
        "https://claude.ai/cb/../../evil",
        "https://claude.ai/cb%2f..%2fevil",
        "https://claude.ai/cb?next=evil",
        "https://claude.ai/cb?",
        "https://claude.ai/c%62",
        "https://claude.ai:444/cb",
        "https://claude.com/cb",
        "https://claude.ai/",
        "http://127.0.0.1/cb",
    ],
)
def test_whatever_is_not_the_registered_address_is_another(asked: str) -> None:
    assert not alike("https://claude.ai/cb", asked)


def test_a_program_listens_at_any_port_but_nowhere_else() -> None:
    registered = "http://127.0.0.1:7777/cb?a=b"
    assert alike(registered, "http://127.0.0.1:1/cb?a=b")
    assert alike("http://localhost:*/cb?a=b", "http://localhost:65535/cb?a=b")
    for asked in (
        "http://localhost:7777/cb?a=b",
        "http://[::1]:7777/cb?a=b",
        "http://127.0.0.1:7777/cb",
        "http://127.0.0.1:7777/evil?a=b",
        "https://127.0.0.1:7777/cb?a=b",
        "http://127.0.0.2:7777/cb?a=b",
    ):
        assert not alike(registered, asked)


def lead_to_an_allowed_place(uri: str) -> bool:
    """Read it with two parsers that know nothing of each other, and of WHATWG with a third."""
    parts, whatwg, yarl = urlsplit(uri), TypeAdapter(AnyUrl).validate_python(uri), URL(uri)
    assert parts.scheme == whatwg.scheme == yarl.scheme
    if parts.scheme == "cursor":
        return "@" not in parts.netloc
    hosts = {parts.hostname, (whatwg.host or "").strip("[]"), yarl.host}
    ports = {parts.port or whatwg.port, whatwg.port, yarl.port}
    assert len(hosts) == len(ports) == 1, uri
    users = {parts.username, whatwg.username, yarl.user}
    if parts.scheme == "https":
        return hosts <= HOSTS and ports == {443} and users == {None}
    return parts.scheme == "http" and hosts <= LOOPBACK and users == {None}


PIECES = st.sampled_from(
    [
        *("https", "http", "cursor", "javascript", "data", "https://claude.ai", "http://127.0.0.1"),
        *("cursor:", "//claude.ai", "claude.ai", "claude.com", "evil.example", "localhost"),
        *("127.0.0.1", "2130706433", "[::1]", "443", ":444", "7777", "user:", "x"),
        *(
            ":",
            "/",
            "//",
            "\\",
            "\\\\",
            "@",
            "?",
            "#",
            "%",
            "*",
            "[",
            "]",
            ";",
            "&",
            "=",
            ".",
            "..",
        ),
        *("%2e", "%40", "%00", " ", "\t", "\n", "\u00e9", "\u3002", "\uff0e", "\u0430", "\u202e"),
    ]
)
MADE_UP = st.lists(PIECES | st.characters(codec="utf-8"), max_size=10).map("".join)


@given(MADE_UP | st.builds("{}{}".format, st.sampled_from(GOOD), MADE_UP))
@settings(max_examples=400, deadline=None)
def test_whatever_is_allowed_leads_to_an_allowed_place_in_everybodys_eyes(uri: str) -> None:
    written = normalized(uri)
    if written is None:
        return
    assert normalized(written) == written
    assert not re.search(r"[\x00-\x20\x7f]", written.partition(":")[0])
    if USUAL.allow(written):
        assert lead_to_an_allowed_place(written)
        assert "#" not in written

"""Fetches what Luma made, from the hosts that may be asked, within bounds.

The links come from Luma's answers, which is no reason to go wherever they lead: into the network
of this server, say, by a redirect or by what a name resolves to.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Self
from urllib.parse import urljoin

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

from luma_mcp import __version__
from luma_mcp.origins import Place, place_of, read_origin
from luma_mcp.redaction import quoted
from luma_mcp.telemetry import get_logger

_log = get_logger()
MAX_REDIRECTS = 3
SECONDS = 4.0  # an answer waits for its preview, at most so long
MAX_FETCHES = 4
# Names are looked up in threads that the whole process shares, five at least, and nothing ends a
# lookup before its time: some must be left to the calls of Luma.
MAX_LOOKUPS = 3
MAX_STRANGERS = 64
HEADERS = {
    "User-Agent": f"luma-mcp/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}

_GLOBAL = IPv6Network("2000::/3")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


class Unreachable(Exception):
    """It was not fetched, because of what the text says; there is never a URL in it."""


class Busy(Unreachable):
    """It was not even asked for: too many others are being fetched."""


class MediaHosts:
    """The origins that may be asked.

    Args:
        origins: Such as `https://media.example.com` or `http://127.0.0.1:8000`. They are the
            operator's own word, so that they may have any address. Of `https://*.cdn-luma.com`,
            which are all names below that one but not itself, only public addresses are asked.

    Raises:
        ValueError: One of them is no origin.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        read = [read_origin(origin) for origin in origins]
        self._exact = frozenset(place for is_pattern, place in read if not is_pattern)
        self._endings = tuple((f".{place.host}", place.port) for is_any, place in read if is_any)

    def allows(self, url: str) -> bool:
        """Tell whether a URL leads to one of them."""
        place = place_of(url)
        return place is not None and (place in self._exact or self._is_below(place))

    def may_be_anywhere(self, host: str, port: int) -> bool:
        """Tell whether the operator named this very host, wherever it is."""
        return any((place.host, place.port) == (host, port) for place in self._exact)

    def _is_below(self, place: Place) -> bool:
        return place.scheme == "https" and any(
            place.host.endswith(ending) and place.port == port for ending, port in self._endings
        )


def is_public(address: str) -> bool:
    """Tell whether an address is of the public internet, whatever form it has.

    IPv6 addresses that stand for one of IPv4 lead to where that leads, by way of whoever
    translates them; only those of NAT64 are common enough to be looked into.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found in _NAT64:
        found = IPv4Address(found.packed[12:])
    if isinstance(found, IPv6Address):
        stands_for_another = found in _6TO4 or found in _TEREDO or found.packed[8:12] in _ISATAP
        return found in _GLOBAL and found.is_global and not stands_for_another
    return found.is_global and not found.is_multicast


class _Names(AbstractResolver):
    """Looks names up for the connector, which connects to just what is answered here.

    So there is no moment between the check and the connection in which a name could change.
    """

    def __init__(self, hosts: MediaHosts, resolver: AbstractResolver | None) -> None:
        self._hosts = hosts
        self._resolver = resolver or aiohttp.ThreadedResolver()
        self._under_way: dict[tuple[str, int], asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses that may be connected to.

        Raises:
            OSError: There are none, or too many names are being looked up.
        """
        found = await self._look_up(host, port, family)
        if not self._hosts.may_be_anywhere(host, port):
            found = [one for one in found if is_public(one["host"])]
        if not found:
            raise OSError("the name has no public address")
        return found

    async def close(self) -> None:
        """Wait for no name any more."""
        for lookup in self._under_way.values():
            lookup.cancel()

    async def _look_up(
        self, host: str, port: int, family: socket.AddressFamily
    ) -> list[ResolveResult]:
        """Look a name up, once for all who ask meanwhile.

        It counts until it has ended, since its thread is not free before, whoever has left.
        """
        lookup = self._under_way.get((host, port))
        if lookup is None:
            if len(self._under_way) >= MAX_LOOKUPS:
                raise OSError("too many names are being looked up")
            lookup = asyncio.create_task(self._resolver.resolve(host, port, family))
            self._under_way[host, port] = lookup
            lookup.add_done_callback(partial(self._end, (host, port)))
        return await asyncio.shield(lookup)

    def _end(self, name: tuple[str, int], lookup: asyncio.Task[list[ResolveResult]]) -> None:
        del self._under_way[name]
        if not lookup.cancelled():
            lookup.exception()  # taken: whoever asked may have left


class Media:
    """Fetches files from the hosts that may be asked; its client is opened at the first of them.

    Args:
        hosts: Which these are.
        seconds: How long one file may take, with waiting for a place, names and redirects.
        resolver: What looks names up; the system's by default.
    """

    def __init__(
        self,
        hosts: MediaHosts,
        *,
        seconds: float = SECONDS,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._hosts = hosts
        self._seconds = seconds
        self._resolver = resolver
        self._slots = asyncio.Semaphore(MAX_FETCHES)
        self._opened: tuple[httpx.AsyncClient, _Names] | None = None
        self._strangers: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what was opened."""
        if self._opened is not None:
            client, names = self._opened
            self._opened = None
            await names.close()
            await client.aclose()

    async def fetch(self, url: str, *, max_bytes: int, partial: bool = False) -> bytes:
        """Fetch a file, or with `partial` as much of its beginning as fits.

        Raises:
            Busy: There was no place in time.
            Unreachable: It may not or cannot be fetched, or has more bytes than that.
        """
        self._check(url)
        has_place = False
        try:
            async with asyncio.timeout(self._seconds), self._slots:
                has_place = True
                return await self._follow(url, max_bytes, partial=partial)
        except TimeoutError:
            raise (Unreachable if has_place else Busy)("it took too long") from None
        # A ValueError is what urllib makes of addresses that are none, and int of lengths.
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            aiohttp.ClientError,
            OSError,
            ValueError,
        ) as error:
            # Their texts may hold the URL.
            raise Unreachable(type(error).__name__) from None

    async def _follow(self, url: str, max_bytes: int, *, partial: bool) -> bytes:
        headers = {"Range": f"bytes=0-{max_bytes - 1}"} if partial else {}
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client.stream("GET", url, headers=headers) as response:
                if not response.has_redirect_location:
                    return await _read(response, max_bytes, partial=partial)
                url = self._next(url, response.headers["location"])
        raise Unreachable("it is redirected too often")

    def _next(self, url: str, location: str) -> str:
        """Give where a redirect leads, if that may be asked."""
        target = urljoin(url, location)
        self._check(target)
        # Over http there are only origins inside the operator's own network.
        if url.lower().startswith("https:") and target.lower().startswith("http:"):
            raise Unreachable("it is redirected from https to http")
        return target

    def _check(self, url: str) -> None:
        if self._hosts.allows(url):
            return
        place = place_of(url)
        if place and place.host not in self._strangers and len(self._strangers) < MAX_STRANGERS:
            self._strangers.add(place.host)
            _log.info("media host not allowed", host=quoted(place.host, 100))
        raise Unreachable("its host may not be asked")

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            names = _Names(self._hosts, self._resolver)
            self._opened = _open_client(names), names
        return self._opened[0]


def _open_client(names: _Names) -> httpx.AsyncClient:
    """Open a client: no redirects, cookies or proxies, and no connection used twice."""

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=names, use_dns_cache=False, force_close=True, ssl=ssl_context
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    ssl_context = ssl.create_default_context()
    return httpx.AsyncClient(
        transport=AiohttpTransport(client=session, verify=ssl_context),
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        headers=HEADERS,
        timeout=None,  # noqa: S113 - whoever fetches has a deadline for all of it
        trust_env=False,
    )


async def _read(response: httpx.Response, max_bytes: int, *, partial: bool) -> bytes:
    status, headers = response.status_code, response.headers
    if status not in ({200, 206} if partial else {200}):
        raise Unreachable(f"the host answers {status}")
    if status == httpx.codes.PARTIAL_CONTENT and not headers.get("content-range", "").startswith(
        "bytes 0-"
    ):
        raise Unreachable("the host answers another part")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Unreachable("the answer is packed")
    if not partial and int(headers.get("content-length", "0")) > max_bytes:
        raise Unreachable("it is too large")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > max_bytes:
            break
    if len(content) > max_bytes and not partial:
        raise Unreachable("it is too large")
    return bytes(memoryview(content)[:max_bytes])

"""Where URLs lead, and patterns of origins; only what is plainly written is read at all."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

MAX_URL = 4_096
MAX_NAME, MAX_LABEL = 253, 63  # RFC 1035, section 2.3.4
MAX_PORT = 65_535
_HOST = r"(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
_ORIGIN = re.compile(rf"(?P<scheme>https?)://(?P<any>\*\.)?{_HOST}/?", re.ASCII | re.IGNORECASE)
# Nothing that one parser reads otherwise than another: no user, backslash, blank or fragment.
_URL = re.compile(
    rf"(?P<scheme>https?)://{_HOST}(?:[/?][a-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"https": 443, "http": 80}


@lru_cache(maxsize=4096)
def plain_address(host: str) -> str:
    """Write an address of IPv4 that a socket of IPv6 sees, such as ::ffff:10.0.0.1, as what it is.

    Every other address or name stays as it is (RFC 4291 section 2.5.5.2).
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped) if mapped else host


class Place(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int


def place_of(url: str) -> Place | None:
    """Read where a URL leads; None if it is not plainly written."""
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    return _place(found) if found else None


def _place(found: re.Match[str]) -> Place | None:
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _PORTS[scheme])
    is_plain = host.startswith("[") or (
        len(host) <= MAX_NAME and all(map(_is_label, host.split(".")))
    )
    return Place(scheme, host, port) if is_plain and port <= MAX_PORT else None


def _is_label(text: str) -> bool:
    return 0 < len(text) <= MAX_LABEL and not text.startswith("-") and not text.endswith("-")


def is_origin(text: str) -> bool:
    """Tell whether a text is an origin, or a pattern of origins."""
    try:
        read_origin(text)
    except ValueError:
        return False
    return True


def read_origin(origin: str) -> tuple[bool, Place]:
    """Read an origin, or a pattern of origins; gives whether it stands for all names below.

    Raises:
        ValueError: It is neither.
    """
    found = _ORIGIN.fullmatch(origin)
    place = _place(found) if found else None
    if found is None or place is None:
        raise ValueError(f"{origin!r} is no origin such as https://media.example.com")
    if not found["any"]:
        return False, place
    if place.scheme != "https" or not re.fullmatch(r".+\.[a-z][a-z0-9-]+", place.host):
        raise ValueError(f"{origin!r} must be https, with a name of two parts after the star")
    return True, place

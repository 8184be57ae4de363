"""Two hundred callers: their keys, and by what a text is known to be theirs."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from html import escape
from typing import NamedTuple, Self
from urllib.parse import quote

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.luma.apis import AGENTS, ApiName

NUMBER_OF_CALLERS = 200
# Every key holds one of these: a key as Luma makes them, and one of no known shape.
SECRETS = ("5ec2e7aa-b077-4ead", "5ec+re7/aa~b0tt1e&")
# By these words a text tells whose it is: a canary, or a marker.
TELL_TALE = re.compile(r"[0-9a-f]{64}|\b900\d{5}\b")
EVERYBODY = "90000000"


@cache
def _canary_of(key: str | None) -> str:
    return hashlib.sha256(f"canary of {key}".encode()).hexdigest()


@dataclass(frozen=True)
class Caller:
    """One user with a key of their own; every third has one for the Agents API too.

    Only Luma, which was shown a key, says its canary. The marker stands in arguments.
    """

    number: int
    key: str = field(repr=False)
    agents_key: str | None = field(repr=False)

    @classmethod
    def of(cls, number: int) -> Self:
        shaped, shapeless = SECRETS
        key = f"luma-{shaped}-{number:04}" if number % 2 else f"{number:04}{shapeless}{number:04}"
        return cls(number, key, None if number % 3 else f"luma-api-{shaped}-{number:04}")

    def key_for(self, api: ApiName) -> str | None:
        return self.agents_key if api == AGENTS.name else self.key

    def canary(self, api: ApiName) -> str:
        """What only the API says that was shown the key for it."""
        return _canary_of(self.key_for(api))

    @property
    def marker(self) -> str:
        return str(int(EVERYBODY) + self.number)

    @cached_property
    def principal(self) -> str:
        """What the log calls this caller."""
        agents = ApiKey(self.agents_key) if self.agents_key else None
        return Credentials(ApiKey(self.key), agents).principal[:12]


CALLERS = [Caller.of(number) for number in range(1, NUMBER_OF_CALLERS + 1)]
CALLERS_OF_BOTH = [caller for caller in CALLERS if caller.agents_key]


class Order(NamedTuple):
    """What a call is about, written into its arguments: whose it is and what is to happen."""

    marker: str
    scene: int
    serial: int

    @property
    def id(self) -> str:
        """The order as the id of a job."""
        return f"{self.marker}-0{self.scene:03}-4000-8000-{self.serial:012}"

    @property
    def offset(self) -> int:
        """The order as a number."""
        return int(f"{self.marker}{self.scene:03}{self.serial:05}")


_ORDER = re.compile(r"(900\d{5})(?:-0)?(\d{3})(?:-4000-8000-)?(\d+)")


def orders_in(text: str) -> set[Order]:
    """Find what a request to Luma is about."""
    found = _ORDER.findall(text)
    return {Order(marker, int(scene), int(serial)) for marker, scene, serial in found}


def _forms(secret: str) -> set[str]:
    """Write a secret as it could get out: plain, in a URL, on a page, in hex, in base64."""
    forms = {secret, quote(secret), quote(secret, safe=""), escape(secret), secret.encode().hex()}
    for before in range(3):  # where in a group of three bytes it begins
        padded = b" " * before + secret.encode()
        # The first and last characters depend on what is around it.
        forms.add(base64.b64encode(padded).decode()[4:-4])
        forms.add(base64.urlsafe_b64encode(padded).decode()[4:-4])
    return forms


FORMS_OF_KEYS = sorted(set().union(*map(_forms, SECRETS)))


def shows_a_key(text: str) -> bool:
    """Tell whether the text holds what every key holds, in whatever form."""
    return any(form in text for form in FORMS_OF_KEYS)

"""The settings of one process, read from the environment once, by the command line."""

import os
import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from luma_mcp.origins import is_origin
from luma_mcp.wording import did_you_mean, reason_of

PREFIX = "LUMA_MCP_"
SANDBOX_PATH = "/sandbox"
OAUTH_PATH = "/oauth"
# Kubernetes sets these, and LUMA_MCP_PORT too, for a Service named luma-mcp.
_SERVICE_LINK = re.compile(r"LUMA_MCP_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)")
# RFC 6761, 6762, 8375, what ICANN keeps for private use, and what routers make up.
_PRIVATE_NAMES = (".localhost", ".test", ".local", ".home.arpa", ".internal", ".lan", ".home")
# Set where the tests run, and so in the environment of the servers that they start.
TEST_SWITCHES = frozenset({"LUMA_MCP_REQUIRE_ALL"})
METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
# Settings that may come from a file, as the secrets of containers and systemd's credentials do:
# LUMA_MCP_SECRET_KEY_FILE names the file that holds LUMA_MCP_SECRET_KEY.
SECRETS = frozenset({"secret_key", "redis_url", "metrics_token"})
MAX_SECRET_FILE = 64 * 1024
_SEVERAL = ("secret_key",)  # of which a file may hold one a line

Toolset = Literal["videos", "images", "generations", "files", "account"]
TOOLSETS: tuple[Toolset, ...] = get_args(Toolset)


class SettingError(Exception):
    """A setting is wrong; the text names it and says what it may be."""


def _split(value: object) -> object:
    """Read `a, b` as a list, which is how people write one into an environment variable."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_lines(value: object) -> object:
    """Read a list with one item a line, as people write it into a file, too."""
    return _split(",".join(value.splitlines()) if isinstance(value, str) else value)


def _unless_service_link(value: object) -> object:
    """Take the LUMA_MCP_PORT that Kubernetes sets, tcp://10.0.0.1:8000, for none at all."""
    return 8000 if isinstance(value, str) and value.startswith("tcp://") else value


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _host(url: str) -> str | IPv4Address | IPv6Address:
    """Find the host in a URL: an address, or else a name."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host)
    except ValueError:
        return host


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine."""
    host = _host(url)
    if isinstance(host, str):
        return host == "localhost" or host.endswith(".localhost")
    return host.is_loopback


def is_private(url: str) -> bool:
    """Tell whether a URL's host can be reached from this machine or network alone."""
    host = _host(url)
    if isinstance(host, str):
        return "." not in host or host.endswith(_PRIVATE_NAMES)
    return not host.is_global


LOOPBACK = "loopback"
# Claude, ChatGPT, VS Code, Cursor, and whatever runs on the user's own machine.
KNOWN_REDIRECTS = (
    "claude.ai",
    "claude.com",
    "chatgpt.com",
    "www.cursor.com",
    "grok.com",
    "callback.mistral.ai",
    "www.perplexity.ai",
    "antigravity.google",
    "vscode.dev",
    "insiders.vscode.dev",
    "claude:",
    "cursor:",
    LOOPBACK,
)
_HOST = re.compile(r"(?=.*[a-z0-9])[a-z0-9.-]+(:\d{1,5})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
# What a browser would run, read from the disk, or take for a place on the web.
_NO_APP = frozenset(
    {"about:", "blob:", "data:", "file:", "ftp:", "http:", "https:", "javascript:", "vbscript:"}
    | {"view-source:", "ws:", "wss:"}
)
MIN_SECRET_LENGTH = 32
MIN_TOKEN_LENGTH = 16
LUMA_MEDIA = "https://*.cdn-luma.com"  # storage.cdn-luma.com in the samples of Luma's documents
_URL = TypeAdapter(AnyHttpUrl)
_ENGINES = ("redis://", "rediss://", "valkey://", "valkeys://")


def _redirect(word: str) -> str:
    word = word.lower()
    if _SCHEME.fullmatch(word):
        if word in _NO_APP:
            raise ValueError(f"must not allow the scheme {word}")
    elif not _HOST.fullmatch(word):
        raise ValueError("must be hosts without a path, schemes such as `cursor:`, or loopback")
    return word


def _media_origin(word: str) -> str:
    word = word.lower().rstrip("/")
    if not is_origin(word) or (word.startswith("http:") and not is_private(word)):
        raise ValueError(
            "must be origins such as https://media.example.com or https://*.example.com "
            "(http only in a private network)"
        )
    return word


Dollars = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]
Redirect = Annotated[str, AfterValidator(_redirect)]
MediaOrigin = Annotated[str, AfterValidator(_media_origin)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


def _proxy(word: str) -> str:
    """Check an address or network; of another, all that it forwards would be one caller's."""
    if word != "*":
        try:
            ip_network(word)
        except ValueError:
            raise ValueError(
                "must be addresses, or networks such as 10.0.0.0/8, whose last bits are 0"
            ) from None
    return word


Proxy = Annotated[str, AfterValidator(_proxy)]


class Settings(BaseSettings):
    """What an operator can set; every field is the environment variable LUMA_MCP_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    host: str = Field(
        default="127.0.0.1",
        description="address to listen on; 0.0.0.0 is every one of IPv4, :: every one of both",
    )
    port: Annotated[int, BeforeValidator(_unless_service_link)] = Field(
        default=8000, ge=0, le=65535, description="port to listen on; 0 takes any"
    )
    sandbox: bool = Field(
        default=False,
        description="answer with the built-in emulator of Luma, below /sandbox, instead of Luma",
    )
    public_url: str | None = Field(
        default=None,
        description="the server's address as its users see it, such as https://luma.example.com",
    )
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_lines)] = Field(
        default=(),
        description="what sign-ins are sealed with, 32 random characters or more: lets web-based "
        "clients sign in at /oauth/mcp, together with LUMA_MCP_PUBLIC_URL. Put a new one before "
        "the old to rotate them; all replicas need the same",
    )
    oauth_redirects: Annotated[tuple[Redirect, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=KNOWN_REDIRECTS,
        description="where a sign-in may lead back to: hosts (https), `name:` for the scheme of an "
        "app, `loopback` for a user's own machine",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey for what replicas must share, such as redis://redis:6379/0",
    )
    dream_machine_url: str = Field(
        default="https://api.lumalabs.ai/dream-machine/v1",
        description="base URL of Luma's Dream Machine API",
    )
    agents_url: str = Field(
        default="https://agents.lumalabs.ai/v1", description="base URL of Luma's Agents API"
    )
    callbacks: bool = Field(
        default=True,
        description="have Luma tell the server at LUMA_MCP_PUBLIC_URL how jobs go on, which makes "
        "waiting shorter; switch it off if Luma cannot reach that address",
    )
    upstream_timeout_seconds: float = Field(
        default=30.0, gt=0, le=300, description="deadline of one call of Luma, retries included"
    )
    upstream_connections: int = Field(
        default=512, ge=1, le=10_000, description="calls of Luma in flight at once; others queue"
    )
    toolsets: Annotated[tuple[Toolset, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=TOOLSETS,
        description="groups of tools on offer; a caller's X-MCP-Toolsets can only narrow them",
    )
    readonly: bool = Field(
        default=False, description="offer only tools that change nothing and spend nothing"
    )
    media_origins: Annotated[tuple[MediaOrigin, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(LUMA_MEDIA,),
        description="where Luma's videos and pictures are: pages in a chat may load them from "
        "there, and previews are made of them",
    )
    previews: bool = Field(
        default=True,
        description="put a small picture of the result into answers to clients that show no pages; "
        "a caller's X-Luma-Previews can only switch it off",
    )
    allowed_hosts: Words = Field(
        default=(),
        description="Host header values to accept besides loopback, the address bound to and the "
        "host of LUMA_MCP_PUBLIC_URL",
    )
    allowed_origins: Words = Field(
        default=(),
        description="origins of web pages that may call the server (guard and CORS)",
    )
    trusted_proxies: Annotated[tuple[Proxy, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="addresses or networks of reverse proxies whose X-Forwarded-* headers are "
        "believed",
    )
    legacy_sse: bool = Field(
        default=False, description="serve the HTTP+SSE transport of 2024 on /sse and /messages"
    )
    calls_per_minute: int = Field(
        default=600, ge=0, description="calls with one key in a minute; 0 for no limit"
    )
    paid_calls_per_minute: int = Field(
        default=60, ge=0, description="jobs started with one key in a minute; 0 for no limit"
    )
    concurrent_calls: int = Field(
        default=200, ge=0, description="calls with one key at once; 0 for no limit"
    )
    requests_per_minute: int = Field(
        default=6000,
        ge=0,
        description="requests from one address to the MCP endpoints in a minute; 0 for no limit",
    )
    concurrent_requests: int = Field(
        default=5000,
        ge=0,
        description="requests from one address to the MCP endpoints at once; 0 for no limit",
    )
    request_timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=300,
        description="how long the headers of a request, and then its body, may take to arrive",
    )
    max_cost_usd: Dollars = Field(
        default=None,
        description="most that a job may cost by its estimate, in US dollars; one without a known "
        "price is refused too. A caller's X-Luma-Max-Cost-USD can only lower it",
    )
    daily_budget_usd: Dollars = Field(
        default=None,
        description="most that the jobs of one key may cost in a day (UTC), likewise; a caller's "
        "X-Luma-Daily-Budget-USD can only lower it",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="processes that serve together, on one port"
    )
    drain_seconds: int = Field(
        default=0,
        ge=0,
        le=300,
        description="how long requests are still taken after SIGTERM, while /readyz says that the "
        "server is draining; longer than a balancer needs to notice",
    )
    shutdown_seconds: int = Field(
        default=30, ge=1, le=3600, description="how long running calls may finish after that"
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="port of its own for /metrics, without a token"
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="bearer token, 16 characters or more, with which /metrics answers on the "
        "server's own port",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="OpenTelemetry collector that traces are sent to (OTLP over HTTP), such as "
        "http://collector:4318; the OTEL_ variables of the SDK say more",
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="how log lines look"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least important log line to write"
    )
    sandbox_queued_seconds: float = Field(
        default=2.0, ge=0, le=3600, description="how long the sandbox keeps a video queued"
    )
    sandbox_dreaming_seconds: float = Field(
        default=8.0, ge=0, le=3600, description="how long the sandbox works on a video"
    )

    @property
    def dream_machine_upstream(self) -> str:
        """Where Dream Machine is: Luma, or the process's own sandbox on loopback."""
        if not self.sandbox:
            return self.dream_machine_url
        return f"{self.local_url}{SANDBOX_PATH}/dream-machine/v1"

    @property
    def agents_upstream(self) -> str:
        """Where the Agents API is, likewise."""
        return f"{self.local_url}{SANDBOX_PATH}/agents/v1" if self.sandbox else self.agents_url

    @property
    def local_url(self) -> str:
        """Where the server itself is, as this machine sees it."""
        wildcard = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        host = wildcard.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def media_sources(self) -> tuple[str, ...]:
        """The origins of what was made, the process's own sandbox among them."""
        own = _origin_of(self.public_url or self.local_url)
        # A name with an underscore, say, is none: the server works, only its media are not seen.
        return (*self.media_origins, own) if self.sandbox and is_origin(own) else self.media_origins

    @property
    def page_sources(self) -> tuple[str, ...]:
        """The origins that pages in a chat may load from: those of media, and the server's own."""
        own = _origin_of(self.public_url) if self.public_url else ""
        return tuple(dict.fromkeys((*self.media_sources, *([own] if is_origin(own) else []))))

    @property
    def callbacks_url(self) -> str | None:
        """Where Luma finds this server, if it is to call back and can.

        Luma does not reach into private networks, nor does a sandbox reach out of its machine.
        """
        if not self.callbacks or self.public_url is None:
            return None
        reachable = is_private(self.public_url) == is_loopback(self.dream_machine_upstream)
        return self.public_url if reachable else None

    @property
    def oauth_url(self) -> str | None:
        """The issuer of sign-ins, below which their endpoints are; None where there are none."""
        return f"{self.public_url}{OAUTH_PATH}" if self.secret_key else None

    @property
    def own_origins(self) -> tuple[str, ...]:
        """The origins of pages that may call the server, its own among them.

        Behind a proxy that ends TLS its own cannot be told from the request.
        """
        if self.public_url is None:
            return self.allowed_origins
        own = _origin_of(self.public_url)
        return (*self.allowed_origins, own, *self._origins_of_clients)

    @property
    def _origins_of_clients(self) -> tuple[str, ...]:
        """The sites whose users may sign in; Claude's desktop app, for one, sends its site's."""
        if self.oauth_url is None:
            return ()
        hosts = (word for word in self.oauth_redirects if word[-1] != ":" and word != LOOPBACK)
        return tuple(f"https://{host}" for host in hosts)

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """The Host header values that are this server's, besides the address bound to."""
        public = urlsplit(self.public_url).hostname if self.public_url else None
        return (*self.allowed_hosts, public) if public else self.allowed_hosts

    @field_validator("dream_machine_url", "agents_url", "public_url", "otlp_endpoint")
    @classmethod
    def _is_base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            # In lower case, without a port that says nothing: clients compare what is made of it.
            written = str(_URL.validate_python(value))
            parts = urlsplit(written)
            usable = parts.port != 0
        except ValueError:  # half an IPv6 address, or a port that is no port
            usable = False
        if not usable:
            raise ValueError("must be an http or https URL")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("must hold no user, query or fragment")
        return written.rstrip("/")

    @field_validator("secret_key")
    @classmethod
    def _can_be_used(
        cls, value: tuple[SecretStr, ...], info: ValidationInfo
    ) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < MIN_SECRET_LENGTH for secret in value):
            raise ValueError(f"must have at least {MIN_SECRET_LENGTH} characters")
        public_url = info.data.get("public_url")
        if value and not (public_url and _is_issuer(public_url)):
            raise ValueError(
                "needs LUMA_MCP_PUBLIC_URL, with https (http only on loopback) and without a path"
            )
        return value

    @field_validator("metrics_token")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < MIN_TOKEN_LENGTH:
            raise ValueError(f"must have at least {MIN_TOKEN_LENGTH} characters")
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_engine(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(_ENGINES):
            raise ValueError(f"must begin with {', '.join(_ENGINES)}")
        return value


def _is_issuer(url: str) -> bool:
    """Tell whether OAuth may be served there: RFC 8414 section 2 wants TLS."""
    parts = urlsplit(url)
    return not parts.path and (parts.scheme == "https" or is_loopback(url))


class StdioKeys(BaseSettings):
    """The keys of the one user of `luma-mcp stdio`; nothing else reads them."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    luma_api_key: SecretStr | None = None
    luma_agents_api_key: SecretStr | None = None


def variable_name(field: str) -> str:
    """Name the environment variable of a setting."""
    return PREFIX + field.upper()


def file_variable(field: str) -> str:
    """Name the variable with the path of the file that holds a secret."""
    return f"{variable_name(field)}_FILE"


def _refuse_unknown_variables() -> None:
    """A misspelt LUMA_MCP_READONLY that is silently ignored would be a hole."""
    known = {variable_name(field) for field in Settings.model_fields} | TEST_SWITCHES
    known |= {file_variable(field) for field in SECRETS}
    for name in sorted(os.environ):
        # pydantic-settings takes names in any case.
        wanted = name.upper().startswith(PREFIX) and not _SERVICE_LINK.fullmatch(name)
        if wanted and name.upper() not in known:
            hint = did_you_mean(name.upper(), known)
            raise SettingError(f"There is no setting {name}.{hint}")


def load_settings(**options: object) -> Settings:
    """Read the environment; options that are not None win over it.

    Raises:
        SettingError: One sentence about the first wrong setting, without its value
            where that could be secret.
    """
    _refuse_unknown_variables()
    given = {name: value for name, value in options.items() if value is not None}
    files = _read_secret_files(sorted(SECRETS - given.keys()), PREFIX)
    try:
        return Settings(**given, **files)  # ty: ignore[invalid-argument-type] - pydantic checks
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        name = file_variable(field) if field in files else variable_name(field)
        raise SettingError(f"{name if field else 'A setting'} {reason_of(dict(first))}.") from None


def _read_secret_files(fields: Iterable[str], prefix: str = "") -> dict[str, str]:
    """Read the secrets whose files the environment names.

    Raises:
        SettingError: One of them cannot be read, or its secret stands in the environment as well.
    """
    environment = {name.upper(): value for name, value in os.environ.items()}
    found: dict[str, str] = {}
    for field in fields:
        variable = f"{prefix}{field}".upper()
        if path := environment.get(f"{variable}_FILE"):
            if environment.get(variable):
                raise SettingError(f"Set either {variable} or {variable}_FILE, not both.")
            found[field] = _read_secret(f"{variable}_FILE", Path(path), lines=field in _SEVERAL)
    return found


def _read_secret(variable: str, path: Path, *, lines: bool) -> str:
    """Read one secret, without the blanks around it; errors do not even show the path.

    Who mistakes the variable for the one that holds the secret would find it in the log.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_SECRET_FILE).strip()
    except OSError as error:
        raise SettingError(
            f"{variable} must name a file that can be read: {error.strerror}."
        ) from None
    except UnicodeDecodeError:
        raise SettingError(f"{variable} must name a file with text.") from None
    if not text:
        raise SettingError(f"{variable} must name a file that is not empty.")
    if len(text.splitlines()) > 1 and not lines:
        raise SettingError(f"{variable} must name a file with the secret in one line.")
    return text


def shared_metrics_directory() -> str | None:
    """Where several workers leave their figures: the variable of prometheus_client."""
    return os.environ.get(METRICS_DIRECTORY)


def share_metrics_in(directory: str | None) -> None:
    """Tell the processes that are started from now on where to leave them; None for nowhere."""
    if directory is None:
        os.environ.pop(METRICS_DIRECTORY, None)
    else:
        os.environ[METRICS_DIRECTORY] = directory


def load_stdio_keys() -> StdioKeys:
    """Read LUMA_API_KEY and LUMA_AGENTS_API_KEY for the one user of the stdio transport.

    Raises:
        SettingError: The file that is to hold one cannot be read.
    """
    return StdioKeys(**_read_secret_files(StdioKeys.model_fields))  # ty: ignore[invalid-argument-type]

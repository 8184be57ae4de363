"""Settings: from the environment or by option, checked at the start."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from luma_mcp.settings import (
    MAX_SECRET_FILE,
    SECRETS,
    SettingError,
    Settings,
    file_variable,
    load_settings,
    load_stdio_keys,
    variable_name,
)

# Each setting: what the environment says, what that means, and another value as an option.
SAMPLES = {
    "host": ("0.0.0.0", "0.0.0.0", "::1"),  # noqa: S104 - not bound
    "port": ("0", 0, 65535),
    "sandbox": ("true", True, False),
    "public_url": ("https://luma.example/", "https://luma.example", "http://other.example"),
    "secret_key": (
        f"{'n' * 32}, {'o' * 40}",
        (SecretStr("n" * 32), SecretStr("o" * 40)),
        (SecretStr("s" * 32),),
    ),
    "oauth_redirects": ("n8n.example:8443, Zed:", ("n8n.example:8443", "zed:"), ("loopback",)),
    "redis_url": (
        "valkey://:pa55@cache:6379/1",
        SecretStr("valkey://:pa55@cache:6379/1"),
        SecretStr("rediss://cache"),
    ),
    "dream_machine_url": ("http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1", "https://x.example"),
    "agents_url": ("http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1", "https://x.example"),
    "callbacks": ("off", False, True),
    "upstream_timeout_seconds": ("0.5", 0.5, 300.0),
    "upstream_connections": ("1", 1, 10_000),
    "toolsets": ("videos, images", ("videos", "images"), ("account",)),
    "readonly": ("1", True, False),
    "media_origins": (
        "https://*.CDN.example/, http://127.0.0.1:9",
        ("https://*.cdn.example", "http://127.0.0.1:9"),
        ("https://media.example:8443",),
    ),
    "previews": ("off", False, True),
    "allowed_hosts": ("a.example, b.example:80,", ("a.example", "b.example:80"), ("c.example",)),
    "allowed_origins": ("https://a.example", ("https://a.example",), ()),
    "trusted_proxies": ("10.0.0.1,10.0.0.2", ("10.0.0.1", "10.0.0.2"), ("*",)),
    "legacy_sse": ("yes", True, False),
    "calls_per_minute": ("0", 0, 1),
    "paid_calls_per_minute": ("0", 0, 1),
    "concurrent_calls": ("0", 0, 1),
    "requests_per_minute": ("0", 0, 1),
    "concurrent_requests": ("0", 0, 1),
    "request_timeout_seconds": ("0.5", 0.5, 300.0),
    "max_cost_usd": ("0", 0.0, 2.5),
    "daily_budget_usd": ("20", 20.0, 0.0),
    "workers": ("64", 64, 2),
    "drain_seconds": ("300", 300, 1),
    "shutdown_seconds": ("3600", 3600, 1),
    "metrics_port": ("9464", 9464, 65535),
    "metrics_token": ("pa55" * 4, SecretStr("pa55" * 4), SecretStr("t" * 16)),
    "otlp_endpoint": ("http://collector:4318/", "http://collector:4318", "https://x.example"),
    "log_format": ("json", "json", "console"),
    "log_level": ("debug", "debug", "error"),
    "sandbox_queued_seconds": ("0", 0.0, 3600.0),
    "sandbox_dreaming_seconds": ("0.25", 0.25, 0.0),
}


# What else must be set for one to be of use.
NEEDED = {"secret_key": ("LUMA_MCP_PUBLIC_URL", "https://luma.example")}


def put(monkeypatch: pytest.MonkeyPatch, field: str, text: str) -> None:
    monkeypatch.setenv(variable_name(field), text)
    if field in NEEDED:
        monkeypatch.setenv(*NEEDED[field])


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_name(field), raising=False)
    monkeypatch.delenv("LUMA_API_KEY", raising=False)


def test_there_is_a_sample_of_every_setting() -> None:
    assert set(SAMPLES) == set(Settings.model_fields)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_described(field: str) -> None:
    assert Settings.model_fields[field].description


@pytest.mark.parametrize("field", SAMPLES)
def test_a_setting_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    text, meaning, _ = SAMPLES[field]
    put(monkeypatch, field, text)
    assert getattr(load_settings(), field) == meaning


@pytest.mark.parametrize("field", SAMPLES)
def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    text, meaning, option = SAMPLES[field]
    put(monkeypatch, field, text)
    chosen = load_settings(**{field: option})
    assert getattr(chosen, field) == option != meaning


@pytest.mark.parametrize("field", SAMPLES)
def test_an_option_that_is_not_given_leaves_the_environment(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    text, meaning, _ = SAMPLES[field]
    put(monkeypatch, field, text)
    assert getattr(load_settings(**{field: None}), field) == meaning


@pytest.mark.parametrize("field", SAMPLES)
def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    put(monkeypatch, field, "")
    assert load_settings() == load_settings(**{field: None})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("port", "-1", "must be at least 0"),
        ("port", "65536", "must be at most 65535"),
        ("port", "http", "must be a whole number"),
        ("sandbox", "maybe", "must be true or false"),
        ("public_url", "luma.example", "must be an http or https URL"),
        ("public_url", "ftp://luma.example", "must be an http or https URL"),
        ("public_url", "https://u:pa55@luma.example", "must hold no user, query or fragment"),
        ("public_url", "https://luma.example/?pa55", "must hold no user, query or fragment"),
        ("secret_key", f"{'s' * 31}", "must have at least 32 characters"),
        ("secret_key", f"{'s' * 32},pa55", "must have at least 32 characters"),
        ("oauth_redirects", "https://pa55.example", "must be hosts without a path"),
        ("oauth_redirects", "pa55.example/callback", "must be hosts without a path"),
        ("oauth_redirects", "*", "must be hosts without a path"),
        ("oauth_redirects", "JavaScript:", "must not allow the scheme javascript:"),
        ("oauth_redirects", "http:", "must not allow the scheme http:"),
        ("media_origins", "pa55.example", "must be origins such as"),
        ("media_origins", "https://pa55.example/below", "must be origins such as"),
        ("media_origins", "https://u:pa55@x.example", "must be origins such as"),
        ("media_origins", "https://*", "must be origins such as"),
        ("media_origins", "https://x.*.pa55", "must be origins such as"),
        ("media_origins", "https://*.pa55", "must be origins such as"),
        ("media_origins", "https://pa55.example:65536", "must be origins such as"),
        ("media_origins", "http://pa55.example", "(http only in a private network)"),
        ("media_origins", "'unsafe-inline' pa55", "must be origins such as"),
        ("previews", "pa55", "must be true or false"),
        ("trusted_proxies", "10.0.0.1/8", "must be addresses, or networks"),
        ("trusted_proxies", "caddy", "must be addresses, or networks"),
        ("max_cost_usd", "-1", "must be at least 0"),
        ("daily_budget_usd", "inf", "must be a finite number"),
        ("workers", "0", "must be at least 1"),
        ("drain_seconds", "301", "must be at most 300"),
        ("metrics_port", "0", "must be at least 1"),
        ("metrics_token", "pa55", "must have at least 16 characters"),
        ("otlp_endpoint", "collector:4318", "must be an http or https URL"),
        ("redis_url", "https://:pa55@cache", "must begin with redis://, rediss://"),
        ("dream_machine_url", "https://x.example#pa55", "must hold no user, query or fragment"),
        ("dream_machine_url", "http://luma:pa55", "must be an http or https URL"),
        ("dream_machine_url", "http://[pa55", "must be an http or https URL"),
        ("upstream_timeout_seconds", "0", "must be more than 0"),
        ("upstream_timeout_seconds", "301", "must be at most 300"),
        ("upstream_timeout_seconds", "nan", "must be at most 300"),
        ("upstream_connections", "0", "must be at least 1"),
        (
            "toolsets",
            "videos,pa55",
            "must be one of 'videos', 'images', 'generations', 'files', 'account'",
        ),
        ("readonly", "pa55", "must be true or false"),
        ("shutdown_seconds", "0", "must be at least 1"),
        ("log_format", "pa55", "must be one of 'console', 'json'"),
        ("log_level", "trace", "must be one of 'debug', 'info', 'warning', 'error'"),
        ("sandbox_queued_seconds", "-1", "must be at least 0"),
        ("sandbox_dreaming_seconds", "inf", "must be at most 3600"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch, field: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable_name(field), value)
    with pytest.raises(SettingError) as refused:
        load_settings()
    sentence = str(refused.value)
    assert sentence.startswith(f"{variable_name(field)} must ")
    assert reason in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "pa55" not in sentence
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "public_url",
    [None, "http://luma.example", "http://192.168.0.1:8000", "https://luma.example/below"],
)
def test_sign_ins_need_a_public_address_with_tls(
    monkeypatch: pytest.MonkeyPatch, public_url: str | None
) -> None:
    monkeypatch.setenv("LUMA_MCP_SECRET_KEY", "s" * 32)
    with pytest.raises(
        SettingError, match=r"^LUMA_MCP_SECRET_KEY needs LUMA_MCP_PUBLIC_URL, with https \("
    ):
        load_settings(public_url=public_url)


@pytest.mark.parametrize(
    "public_url", ["https://luma.example", "http://127.0.0.1:8000", "http://localhost:8000/"]
)
def test_sign_ins_are_offered_below_the_public_address(public_url: str) -> None:
    assert load_settings(public_url=public_url).oauth_url is None
    settings = load_settings(public_url=public_url, secret_key="s" * 32)
    assert settings.oauth_url == f"{public_url.rstrip('/')}/oauth"


@pytest.mark.parametrize(
    ("options", "media", "pages"),
    [
        ({}, (), ()),
        ({"sandbox": True, "port": 1234}, ("http://127.0.0.1:1234",), ("http://127.0.0.1:1234",)),
        ({"public_url": "https://luma.example/below"}, (), ("https://luma.example",)),
        (
            {"public_url": "https://luma.example/below", "sandbox": True},
            ("https://luma.example",),
            ("https://luma.example",),
        ),
    ],
)
def test_media_come_from_luma_or_the_own_sandbox_and_pages_may_load_them(
    options: dict[str, object], media: tuple[str, ...], pages: tuple[str, ...]
) -> None:
    settings = load_settings(**options)
    assert settings.media_sources == ("https://*.cdn-luma.com", *media)
    assert settings.page_sources == ("https://*.cdn-luma.com", *pages)


def test_secrets_among_the_settings_are_not_shown() -> None:
    settings = load_settings(
        public_url="https://luma.example", secret_key="s3cret" * 6, redis_url="redis://:s3cret@r"
    )
    assert "s3cret" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://Luma.Example:443/", "https://luma.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://luma.example/Below/", "https://luma.example/Below"),
    ],
)
def test_an_address_is_written_as_clients_compare_it(given: str, meant: str) -> None:
    assert load_settings(public_url=given).public_url == meant


def test_sites_whose_users_may_sign_in_may_call_it_too() -> None:
    """Claude's desktop app names its site as the origin."""
    options = {
        "public_url": "https://luma.example",
        "oauth_redirects": "claude.ai,cursor:,loopback",
    }
    assert load_settings(**options).own_origins == ("https://luma.example",)
    settings = load_settings(**options, secret_key="s" * 32)
    assert settings.own_origins == ("https://luma.example", "https://claude.ai")


@pytest.mark.parametrize(
    ("public_url", "origins"),
    [
        (None, ("https://a.example",)),
        ("https://luma.example:8443", ("https://a.example", "https://luma.example:8443")),
    ],
)
def test_the_servers_own_pages_may_call_it(
    public_url: str | None, origins: tuple[str, ...]
) -> None:
    settings = load_settings(allowed_origins="https://a.example", public_url=public_url)
    assert settings.own_origins == origins


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LUMA_MCP_READ_ONLY", " Did you mean LUMA_MCP_READONLY?"),
        ("LUMA_MCP_TOOLSET", " Did you mean LUMA_MCP_TOOLSETS?"),
        ("luma_mcp_readonli", " Did you mean LUMA_MCP_READONLY?"),
        ("LUMA_MCP_QQQQQQQQQQQQQQQQQQQQQQQQ", ""),
    ],
)
def test_an_unknown_variable_is_refused_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "pa55")
    with pytest.raises(SettingError) as refused:
        load_settings()
    assert str(refused.value) == f"There is no setting {name}.{hint}"


@pytest.mark.parametrize(
    "name",
    [
        "LUMA_MCP_SERVICE_HOST",
        "LUMA_MCP_SERVICE_PORT",
        "LUMA_MCP_SERVICE_PORT_HTTP",
        "LUMA_MCP_PORT_8000_TCP_ADDR",
    ],
)
def test_what_kubernetes_sets_for_a_service_is_no_misspelt_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "10.0.0.1")
    monkeypatch.setenv("LUMA_MCP_PORT", "tcp://10.0.0.1:8000")
    assert load_settings() == Settings(port=8000)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - the case in question
        ("::", "http://[::1]:8000"),
        ("2001:db8::1", "http://[2001:db8::1]:8000"),
        ("luma.local", "http://luma.local:8000"),
    ],
)
def test_the_sandbox_is_reached_where_this_machine_sees_the_server(host: str, address: str) -> None:
    settings = load_settings(host=host, sandbox=True)
    assert settings.local_url == address
    assert settings.dream_machine_upstream == f"{address}/sandbox/dream-machine/v1"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^LUMA_MCP_COLOUR is not valid\.$"):
        load_settings(colour="red")


def test_the_switch_of_the_tests_is_no_unknown_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_MCP_REQUIRE_ALL", "1")
    assert load_settings() == Settings()


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.readonly = True  # ty: ignore[invalid-assignment]


def test_luma_itself_is_the_default() -> None:
    assert load_settings().dream_machine_upstream == "https://api.lumalabs.ai/dream-machine/v1"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - not bound
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_the_sandbox_is_the_servers_own_address(host: str, shown: str) -> None:
    settings = load_settings(sandbox=True, host=host, port=9000)
    assert settings.dream_machine_upstream == f"http://{shown}:9000/sandbox/dream-machine/v1"


@pytest.mark.parametrize(
    ("public_url", "hosts"),
    [(None, ("a.example",)), ("https://luma.example:8443/x", ("a.example", "luma.example"))],
)
def test_the_public_address_is_one_of_the_servers_own_hosts(
    public_url: str | None, hosts: tuple[str, ...]
) -> None:
    settings = load_settings(allowed_hosts="a.example", public_url=public_url)
    assert settings.own_hosts == hosts


def test_the_key_of_the_stdio_user_is_read_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_API_KEY", "luma-0123456789")
    keys = load_stdio_keys()
    assert keys.luma_api_key is not None
    assert keys.luma_api_key.get_secret_value() == "luma-0123456789"
    assert "luma-0123456789" not in repr(keys)


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_key_the_stdio_user_has_none(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("LUMA_API_KEY", value)
    assert load_stdio_keys().luma_api_key is None


# --- Secrets from files


def test_every_secret_can_come_from_a_file() -> None:
    fields = {name for name, field in Settings.model_fields.items() if "Secret" in repr(field)}
    assert fields == SECRETS


@pytest.mark.parametrize("field", sorted(SECRETS))
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_comes_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, field: str, end: str
) -> None:
    monkeypatch.setenv("LUMA_MCP_PUBLIC_URL", "https://luma.example")
    text, value, _ = SAMPLES[field]
    file = tmp_path / "secret"
    file.write_bytes(f"{text}{end}".encode())
    monkeypatch.setenv(file_variable(field), str(file))
    assert getattr(load_settings(), field) == value


def test_secrets_to_seal_with_may_stand_one_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LUMA_MCP_PUBLIC_URL", "https://luma.example")
    file = tmp_path / "secret"
    file.write_text(f"{'n' * 32}\n{'o' * 40}\n")
    monkeypatch.setenv("LUMA_MCP_SECRET_KEY_FILE", str(file))
    assert load_settings().secret_key == (SecretStr("n" * 32), SecretStr("o" * 40))


@pytest.mark.parametrize("variable", ["LUMA_API_KEY", "LUMA_AGENTS_API_KEY"])
def test_the_keys_of_the_stdio_user_come_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    file = tmp_path / "key"
    file.write_text("luma-0123456789\n")
    monkeypatch.setenv(f"{variable}_FILE", str(file))
    assert getattr(load_stdio_keys(), variable.lower()) == SecretStr("luma-0123456789")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "must name a file that can be read: No such file or directory."),
        (b"", "must name a file that is not empty."),
        (b" \n\n", "must name a file that is not empty."),
        (b"\xff\xfe", "must name a file with text."),
        (b"redis://one\nredis://two", "must name a file with the secret in one line."),
        (b"pa55-and-no-url", "must begin with redis://, rediss://, valkey://, valkeys://."),
        (b"pa55" * MAX_SECRET_FILE, "must begin with redis://, rediss://, valkey://, valkeys://."),
    ],
)
def test_a_file_without_a_secret_stops_the_start_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, what: str
) -> None:
    file = tmp_path / "pa55"  # as if the secret were taken for the path
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("LUMA_MCP_REDIS_URL_FILE", str(file))
    with pytest.raises(SettingError) as raised:
        load_settings()
    assert str(raised.value) == f"LUMA_MCP_REDIS_URL_FILE {what}"


def test_a_folder_holds_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LUMA_API_KEY_FILE", str(tmp_path))
    with pytest.raises(SettingError, match=r"^LUMA_API_KEY_FILE must name a file that can be read"):
        load_stdio_keys()


@pytest.mark.parametrize("variable", ["LUMA_MCP_METRICS_TOKEN", "luma_mcp_metrics_token"])
def test_a_secret_in_both_places_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "pa55" * 4)
    monkeypatch.setenv("LUMA_MCP_METRICS_TOKEN_FILE", "/run/secrets/token")
    with pytest.raises(SettingError) as raised:
        load_settings()
    sentence = "Set either LUMA_MCP_METRICS_TOKEN or LUMA_MCP_METRICS_TOKEN_FILE, not both."
    assert str(raised.value) == sentence


def test_a_secret_as_an_option_wins_over_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_MCP_METRICS_TOKEN_FILE", "/nowhere")
    assert load_settings(metrics_token="t" * 16).metrics_token == SecretStr("t" * 16)


def test_the_variable_of_a_file_counts_as_not_set_when_it_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LUMA_MCP_METRICS_TOKEN_FILE", "")
    assert load_settings().metrics_token is None


def test_what_is_no_secret_comes_from_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_MCP_PORT_FILE", "/run/secrets/port")
    with pytest.raises(SettingError, match="There is no setting LUMA_MCP_PORT_FILE"):
        load_settings()


def test_the_settings_of_the_server_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_API_KEY", "luma-0123456789")
    assert "luma-0123456789" not in repr(load_settings().model_dump())


@pytest.mark.parametrize(
    ("public", "options", "told"),
    [
        ("https://luma.example", {}, True),
        ("https://luma.example/mcp-server", {}, True),
        ("https://203.0.114.7", {}, True),
        ("https://luma.example", {"callbacks": False}, False),
        ("http://localhost:8000", {}, False),
        ("http://127.0.0.1:8000", {}, False),
        ("http://[::1]:8000", {}, False),
        ("http://10.1.2.3", {}, False),
        ("http://luma-mcp:8000", {}, False),
        ("https://luma.corp.internal", {}, False),
        ("http://luma.home.arpa", {}, False),
        ("http://luma.lan.", {}, False),
        ("http://localhost.:8000", {}, False),
        ("http://luma.internal", {"dream_machine_url": "http://gateway.internal/v1"}, False),
        ("https://luma.example", {"dream_machine_url": "http://gateway.internal/v1"}, True),
        ("http://localhost:8000", {"sandbox": True}, True),
        ("https://luma.example", {"sandbox": True}, False),
        ("http://localhost:8000", {"dream_machine_url": "http://127.0.0.1:9/v1"}, True),
        (None, {}, False),
    ],
)
def test_luma_calls_back_only_where_it_can_reach_the_server(
    public: str | None, options: dict[str, object], *, told: bool
) -> None:
    settings = load_settings(public_url=public, **options)
    assert settings.callbacks_url == (public if told else None)


@pytest.mark.parametrize(
    "public_url", ["http://luma_mcp:8000", "https://luma.example.", "https://a;img-src*.example"]
)
def test_an_address_that_is_no_plain_origin_gets_into_no_list_of_origins(public_url: str) -> None:
    settings = load_settings(sandbox=True, public_url=public_url)
    assert settings.media_sources == settings.page_sources == ("https://*.cdn-luma.com",)

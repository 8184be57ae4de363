"""The URLs that Luma calls: made for a job, and read in what Luma repeats of it."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from luma_mcp.callbacks import LIFETIME_SECONDS, PURPOSE, Callbacks
from luma_mcp.luma.dream_machine_models import Generation
from luma_mcp.luma.jobs import Job
from luma_mcp.sealing import MAX_TOKEN_LENGTH, Sealer
from luma_mcp.waiting import CallSign

URL = "https://mcp.example.com"
KEY = "5e884898da28047151d0e56f8dc6292773603d0d6aabbd62a11ef721d1542d8"
NOW = 1_800_000_000.0


class Hours:
    """The time of day, which a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def sealer(hours: Hours) -> Sealer:
    return Sealer(now=hours)


@pytest.fixture
def callbacks(sealer: Sealer) -> Callbacks:
    return Callbacks(URL, sealer)


def token_in(url: str) -> str:
    return url.rsplit("/", 1)[1]


def job_with(url: object) -> Job:
    return Generation(state="queued", request={"prompt": "A boat", "callback_url": url}).to_job()


def test_a_url_leads_here_and_its_token_names_the_key_and_the_job(callbacks: Callbacks) -> None:
    url = callbacks.make_url(KEY)
    assert url.startswith(f"{URL}/callbacks/")
    sign = callbacks.read(token_in(url))
    assert sign is not None
    assert sign.key == KEY
    assert len(sign.name) >= 16


def test_each_job_has_a_name_of_its_own(callbacks: Callbacks) -> None:
    signs = {callbacks.read(token_in(callbacks.make_url(KEY))) for _ in range(100)}
    assert len(signs) == 100
    assert None not in signs


def test_a_url_tells_nothing_of_the_key_and_has_a_length_to_spare(callbacks: Callbacks) -> None:
    url = callbacks.make_url(KEY)
    assert KEY[:8] not in url
    assert len(url) < MAX_TOKEN_LENGTH / 2


def test_any_process_with_the_secret_reads_the_token(hours: Hours) -> None:
    secret = bytes(32)
    one, other = (Callbacks(URL, Sealer(secret, now=hours)) for _ in range(2))
    token = token_in(one.make_url(KEY))
    assert one.read(token) == other.read(token) is not None


def test_a_token_of_another_process_is_not_read(callbacks: Callbacks) -> None:
    foreign = Callbacks(URL, Sealer())
    assert callbacks.read(token_in(foreign.make_url(KEY))) is None


def test_a_token_for_another_purpose_is_not_read(callbacks: Callbacks, sealer: Sealer) -> None:
    claims = {"key": KEY, "name": "a name"}
    assert callbacks.read(sealer.seal(PURPOSE, claims, 60)) == CallSign(KEY, "a name")
    assert callbacks.read(sealer.seal("session", claims, 60)) is None


def test_a_token_is_read_for_a_day(callbacks: Callbacks, hours: Hours) -> None:
    url = callbacks.make_url(KEY)
    hours.now += LIFETIME_SECONDS - 1
    assert callbacks.read(token_in(url)) is not None
    assert callbacks.call_sign_of(job_with(url)) is not None
    hours.now += 1
    assert callbacks.read(token_in(url)) is None
    assert callbacks.call_sign_of(job_with(url)) is None


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c.d.e", "ä", "A" * 3000], ids=len)
def test_what_is_no_token_is_not_read(callbacks: Callbacks, token: str) -> None:
    assert callbacks.read(token) is None


def test_a_job_whose_callback_comes_here_is_called_as_its_url_says(callbacks: Callbacks) -> None:
    url = callbacks.make_url(KEY)
    assert callbacks.call_sign_of(job_with(url)) == callbacks.read(token_in(url)) is not None


@pytest.mark.parametrize(
    "request_",
    [
        None,
        {},
        {"prompt": "A boat"},
        {"callback_url": None},
        {"callback_url": 7},
        {"callback_url": ["https://mcp.example.com/callbacks/"]},
        {"callback_url": ""},
        {"callback_url": "https://mcp.example.com/callbacks/"},
        {"callback_url": "https://mcp.example.com/callbacks/ä"},
        {"callback_url": "https://hooks.example.org/luma?job=1"},
    ],
)
def test_a_job_whose_callback_does_not_come_here_has_no_call_sign(
    callbacks: Callbacks, request_: dict[str, Any] | None
) -> None:
    job = Generation(state="queued", request=request_).to_job()
    assert callbacks.call_sign_of(job) is None


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (f"{URL}/callbacks/", ""),
        (f"{URL}/", "https://evil.example/"),
        (f"{URL}/", f"{URL}.evil.example/"),
        (f"{URL}/", f"{URL}:8443/"),
        ("https://", "http://"),
        ("/callbacks/", "/callback/"),
        ("/callbacks/", "/callbacks/../"),
        ("/callbacks/", "/callbacks/x/"),
        ("/callbacks/", "/callbacks/?"),
    ],
)
def test_a_url_that_is_not_quite_ours_is_foreign_though_its_token_is_ours(
    callbacks: Callbacks, ours: str, theirs: str
) -> None:
    url = callbacks.make_url(KEY)
    foreign = url.replace(ours, theirs, 1)
    assert foreign != url
    assert callbacks.call_sign_of(job_with(foreign)) is None


@pytest.mark.parametrize("more", ["?a=1", "#a", "/", "/more", " "])
def test_a_url_with_more_behind_the_token_is_foreign(callbacks: Callbacks, more: str) -> None:
    assert callbacks.call_sign_of(job_with(callbacks.make_url(KEY) + more)) is None


def test_callbacks_are_given_up_once_and_the_operator_hears_why(callbacks: Callbacks) -> None:
    assert callbacks.in_use
    with capture_logs() as lines:
        callbacks.give_up()
        callbacks.give_up()
    (line,) = lines
    assert not callbacks.in_use
    assert (line["event"], line["log_level"]) == ("callbacks given up", "error")
    assert "LUMA_MCP_PUBLIC_URL" in line["advice"]
    assert "LUMA_MCP_CALLBACKS=false" in line["advice"]


def test_jobs_of_before_are_still_called_back_when_callbacks_are_given_up(
    callbacks: Callbacks,
) -> None:
    url = callbacks.make_url(KEY)
    with capture_logs():
        callbacks.give_up()
    assert callbacks.call_sign_of(job_with(url)) == callbacks.read(token_in(url)) is not None

"""What Luma's refusals become: one line of Luma's own words, with nothing secret in it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from luma_mcp import errors
from luma_mcp.luma.apis import AGENTS, DREAM_MACHINE, Api
from luma_mcp.luma.refusals import detail_of, error_from, retry_after_seconds
from luma_mcp.luma.transport import Answer
from luma_mcp.redaction import hiding

ADVICE = "Change the arguments as the text says; nothing was spent."


def answer(status: int, body: bytes = b"", retry_after: str | None = None) -> Answer:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(status, httpx.Headers(headers), body)


def error_of(
    status: int, body: bytes = b"", retry_after: str | None = None, api: Api = DREAM_MACHINE
) -> errors.LumaMcpError:
    error = error_from(answer(status, body, retry_after), api)
    assert error
    return error


MEANINGS = [
    (100, errors.BadResponse, "Luma answered with the status 100, which has no meaning here."),
    (304, errors.BadResponse, "Luma answered with a redirect (304), which is not followed"),
    (307, errors.BadResponse, "Luma answered with a redirect (307), which is not followed"),
    (400, errors.InvalidRequest, "Luma refused the request (400)."),
    (401, errors.KeyRejected, "Luma does not accept the API key."),
    (402, errors.InsufficientCredits, "The Luma account has too few credits."),
    (403, errors.KeyRejected, "Luma does not allow this with the API key."),
    (404, errors.NotFound, "Luma does not know this with your key."),
    (408, errors.Unavailable, "Luma gave up waiting for the request (408)."),
    (418, errors.InvalidRequest, "Luma refused the request (418)."),
    (422, errors.InvalidRequest, "Luma refused the request (422)."),
    (429, errors.RateLimited, "Luma takes no more requests from this key just now."),
    (500, errors.Unavailable, "Luma has a fault of its own (500)."),
    (599, errors.Unavailable, "Luma has a fault of its own (599)."),
    (600, errors.BadResponse, "Luma answered with the status 600, which has no meaning here."),
]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_success_is_no_error(status: int) -> None:
    assert error_from(answer(status, b'{"detail": "fine"}'), DREAM_MACHINE) is None


@pytest.mark.parametrize("api", [DREAM_MACHINE, AGENTS], ids=lambda api: api.name)
@pytest.mark.parametrize(("status", "kind", "start"), MEANINGS)
def test_a_status_means_one_error(
    status: int, kind: type[errors.LumaMcpError], start: str, api: Api
) -> None:
    error = error_of(status, api=api)
    assert type(error) is kind
    assert error.message.startswith(
        start.replace("Luma ", f"{api.who} ", 1) if status != 402 else start
    )
    of_the_api = {
        errors.InvalidRequest: ADVICE,
        errors.KeyRejected: "Check the key in your client's settings: it may be mistyped, revoked, "
        f"or made for another Luma product. Keys of the {api.title} are made at {api.keys_page}.",
        errors.NotFound: api.not_found,
        errors.InsufficientCredits: api.top_up,
    }
    assert error.advice == of_the_api.get(kind, kind.default_advice)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 503])
def test_the_words_of_luma_are_told(status: int) -> None:
    error = error_of(status, b'{"detail": "Prompt is required"}')
    assert error.message.endswith(': "Prompt is required"')


WORDLESS = [
    b"",
    b"null",
    b'"Prompt is required"',
    b"[]",
    b"{}",
    b'{"detail": null}',
    b'{"detail": ""}',
    b'{"detail": " \\n "}',
    b'{"detail": ["Prompt is required"]}',
    b'{"detail": {"msg": "x"}}',
    b'{"error": "x"}',
    b"<html><h1>400 Bad Request</h1></html>",
    b'{"detail": "cut of',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"1" * 10_000,
]


@pytest.mark.parametrize("body", WORDLESS, ids=range(len(WORDLESS)))
def test_a_body_without_words_of_luma_leaves_the_plain_sentence(body: bytes) -> None:
    assert error_of(400, body).message == "Luma refused the request (400)."
    assert error_of(500, body).message == "Luma has a fault of its own (500)."


def test_a_detail_of_many_lines_and_control_characters_becomes_one_plain_line() -> None:
    body = b'{"detail": "a\\r\\n\\tb\\u0000c\\u001b[31md\\u2028e\\u202ef\\u200bg\\u009fh  i"}'
    assert detail_of(answer(400, body)) == "a b c [31md e f g h i"


def test_a_detail_of_10_kb_is_cut() -> None:
    detail = detail_of(answer(400, b'{"detail": "%s"}' % (b"word " * 2_000)))
    assert detail is not None
    assert len(detail) == 300
    assert detail.endswith("word…")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("key luma-0123-abcd is wrong", "key [hidden] is wrong"),
        ("got 'Bearer abc.def'", "got 'Bearer [hidden]'"),
        (
            "see https://cdn.x/a.png?Signature=s3cret&x=1 now",
            "see https://cdn.x/a.png?[hidden] now",
        ),
        ("no s3cret-of-this-caller here", "no [hidden] here"),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_secret_in_a_detail_is_hidden(status: int, said: str, told: str) -> None:
    with hiding("s3cret-of-this-caller"):
        error = error_of(status, f'{{"detail": "{said}"}}'.encode())
    assert error.message.endswith(f': "{told}"')


@pytest.mark.parametrize("status", [400, 402, 403, 409, 422, 429])
@pytest.mark.parametrize("words", ["Insufficient credits", "You have insufficient balance."])
def test_an_empty_account_is_known_by_luma_s_words(status: int, words: str) -> None:
    error = error_of(status, f'{{"detail": "{words}"}}'.encode())
    assert type(error) is errors.InsufficientCredits
    assert error.message == f'The Luma account has too few credits: "{words}"'


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
def test_a_retry_after_is_told_with_the_error(status: int) -> None:
    assert error_of(status).retry_after_seconds is None
    assert error_of(status, retry_after="7").retry_after_seconds == 7.0


SECONDS = [
    ("0", 0.0),
    ("7", 7.0),
    (" 7 ", 7.0),
    ("1.5", 1.5),
    ("3600", 3600.0),
    ("3601", 3600.0),
    ("9" * 400, 3600.0),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
    ("Friday, 31-Dec-99 23:59:59 GMT", 0.0),
    ("", None),
    ("-1", None),
    ("1e3", None),
    ("soon", None),
    ("7, 7", None),
    ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
]


@pytest.mark.parametrize(("value", "seconds"), SECONDS, ids=range(len(SECONDS)))
def test_retry_after_is_seconds_or_a_date_of_at_most_an_hour(
    value: str, seconds: float | None
) -> None:
    assert retry_after_seconds(httpx.Headers({"Retry-After": value})) == seconds


def test_no_retry_after_is_none() -> None:
    assert retry_after_seconds(httpx.Headers()) is None


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_a_date_to_come_counts_from_now(zone: str) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)
    seconds = retry_after_seconds(httpx.Headers({"Retry-After": moment.replace("GMT", zone)}))
    assert seconds is not None
    assert 1700 < seconds <= 1800


@given(st.text(max_size=40) | st.from_regex(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d+"))
@example("9999 Dec 00:00:00 \\ 99999999999999999999")
def test_whatever_retry_after_says_it_is_at_most_an_hour_or_none(value: str) -> None:
    seconds = retry_after_seconds(httpx.Headers({"Retry-After": value}, encoding="utf-8"))
    assert seconds is None or 0 <= seconds <= 3600


@given(st.integers(100, 999), st.binary() | st.text(max_size=9).map('{{"detail": "{}"}}'.format))
def test_whatever_answer_comes_it_is_a_success_or_an_error_of_one_line(
    status: int, body: bytes | str
) -> None:
    error = error_from(
        answer(status, body if isinstance(body, bytes) else body.encode()), DREAM_MACHINE
    )
    assert (error is None) == (200 <= status < 300)
    assert error is None or error.message.splitlines() == [error.message]


def test_half_a_surrogate_pair_in_a_detail_does_not_reach_the_message() -> None:
    assert error_of(400, b'{"detail": "a \\ud800 b"}').message.encode()

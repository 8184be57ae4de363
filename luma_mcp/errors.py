"""Why a call can fail: one tree, each leaf with the code that a caller branches on.

LumaMcpError
├── MissingKey             missing_key            the tool needs a key, the request brought none
├── InvalidToken           invalid_token          the token of a sign-in is not valid (any more)
├── KeyRejected            key_rejected           Luma does not accept the key
├── InvalidRequest         invalid_request        the arguments cannot work; nothing was spent
│   └── ConflictingKeys    invalid_request        two headers carry two keys for one API
├── NotFound               not_found              no such generation for this key
├── InsufficientCredits    insufficient_credits   the account cannot pay for the job
├── RateLimited            rate_limited           too many requests; try again later
├── Unavailable            unavailable            Luma cannot be reached or has a bad moment
├── TimedOut               timed_out              Luma did not answer within the deadline
├── BadResponse            bad_response           Luma answered with something that is no answer
├── RefusedByPolicy        refused_by_policy      the caller's or the operator's switches or limits
└── Internal               internal               a fault of this server
"""

from typing import ClassVar

KEYS_PAGE = "https://lumalabs.ai/dream-machine/api/keys"


class LumaMcpError(Exception):
    """Base of all errors that a caller may read; its texts are safe to show.

    Attributes:
        message: One sentence that says what happened.
        advice: One sentence that says what to do instead, or None.
        retry_after_seconds: When a new attempt makes sense, if Luma said so.
        generation_id: The job that the error is about; once a job exists, never lost.
    """

    code: ClassVar[str]
    retryable: bool = False
    default_advice: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        advice: str | None = None,
        retry_after_seconds: float | None = None,
        generation_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice or self.default_advice
        self.retry_after_seconds = retry_after_seconds
        self.generation_id = generation_id

    def fields(self, request_id: str) -> dict[str, str | bool | float | None]:
        """Give the error for programs; `request_id` is the one in the log."""
        return {
            "code": self.code,
            "message": self.message,
            "advice": self.advice,
            "retryable": self.retryable,
            "retry_after_seconds": self.retry_after_seconds,
            "request_id": request_id,
            "generation_id": self.generation_id,
        }


def let_go(error: BaseException | None) -> None:
    """Cut an error that was dealt with, and those behind it, from the frames they came through.

    Frames and errors hold each other in a circle. Luma's answer, of megabytes perhaps, and the
    caller's key would stay with them until the garbage collector comes round.
    """
    while error is not None:
        cause, context = error.__cause__, error.__context__
        error.__traceback__ = error.__cause__ = error.__context__ = None
        if context is not cause:
            let_go(context)
        error = cause


class MissingKey(LumaMcpError):
    """The tool needs a Luma API key that the request did not bring."""

    code = "missing_key"
    default_advice = (
        "Send your Luma API key with every request, in the header 'Authorization: Bearer <key>' "
        "(or X-API-Key, X-Auth-Token, X-Luma-API-Key; over stdio, the variable LUMA_API_KEY). Keys "
        f"are made at {KEYS_PAGE}."
    )


class InvalidToken(LumaMcpError):
    """The token of a sign-in is not valid, or not any more."""

    code = "invalid_token"
    default_advice = "Sign in again: disconnect this server in your client, and connect it anew."


class KeyRejected(LumaMcpError):
    """Luma does not accept the key for this call."""

    code = "key_rejected"


class InvalidRequest(LumaMcpError):
    """The arguments cannot work; nothing was spent."""

    code = "invalid_request"


class ConflictingKeys(InvalidRequest):
    """Two headers of one request carry two different keys for the same API."""

    default_advice = "Send one key for each API; remove the header that you do not mean."


class NotFound(LumaMcpError):
    """The caller's key sees no such thing at Luma."""

    code = "not_found"


class InsufficientCredits(LumaMcpError):
    """The account cannot pay for the job; nothing was made."""

    code = "insufficient_credits"


class RateLimited(LumaMcpError):
    """Too many requests for this key; nothing was made."""

    code = "rate_limited"
    retryable = True
    default_advice = "Wait, then make the same call again."


class Unavailable(LumaMcpError):
    """Luma cannot be reached, or answered that it has a fault of its own."""

    code = "unavailable"
    retryable = True
    default_advice = "Make the same call again in a minute."


class TimedOut(LumaMcpError):
    """Luma did not answer within the deadline."""

    code = "timed_out"
    retryable = True
    default_advice = "Make the same call again in a minute."


class BadResponse(LumaMcpError):
    """Luma answered with something that is not the promised answer."""

    code = "bad_response"
    default_advice = "If it happens again, report it with the request id."


class RefusedByPolicy(LumaMcpError):
    """The caller's own switches or limit of costs, or the operator's settings, forbid the call."""

    code = "refused_by_policy"


class Internal(LumaMcpError):
    """A fault of this server; the details are in its log, under the request id."""

    code = "internal"
    default_advice = "Report it with the request id."

"""Who calls: the web layer leaves it in the request's token, tools get it as a parameter."""

from fastmcp import Context
from fastmcp.apps import UI_EXTENSION_ID
from fastmcp.server.auth import AccessToken
from fastmcp.server.dependencies import get_access_token
from opentelemetry.trace import SpanContext
from pydantic import Field, SkipValidation

from luma_mcp.luma.dream_machine_models import Generation
from luma_mcp.services import Access, Caller, Services
from luma_mcp.tracing import trace_of
from luma_mcp.wording import count, one_line

LEAST_PROGRESS = 0.1


class CallerToken(AccessToken):
    """What the framework keeps about a caller; its `token` is a hash, never a key."""

    access: SkipValidation[Access] = Field(exclude=True, repr=False)


def access_of_request(services: Services) -> Access:
    """Give what the present request may use.

    Over stdio that is the process's own user. A request without keys gets none: each tool then
    says which key it needs.
    """
    token = get_access_token()
    if isinstance(token, CallerToken):
        return token.access
    if services.own_access is not None:
        return services.own_access
    return Access.by(services.settings)


def caller_of(context: Context) -> Caller:
    """Make the caller of this request."""
    services: Services = context.lifespan_context["services"]
    shows_pages = context.client_supports_extension(UI_EXTENSION_ID)
    access, progress = access_of_request(services), _progress_of(context)
    return Caller(services, access, progress, shows_pages, _trace_of(context))


class Progress:
    """Tells the caller's client how a job goes on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last = -LEAST_PROGRESS

    async def __call__(self, job: Generation | None, seconds: float) -> None:
        """Send one notification; MCP wants `progress`, the seconds, to grow with each."""
        self._last = max(round(seconds, 1), round(self._last + LEAST_PROGRESS, 1))
        state = one_line(job.state or "unknown").capitalize() if job else "No answer of Luma yet"
        whose = f" · generation {one_line(job.id)}" if job and job.id else ""
        message = f"{state} · {count(round(seconds), 'second')}{whose}"
        await self._context.report_progress(self._last, message=message)


def _progress_of(context: Context) -> Progress | None:
    """Tell progress to a client that asked for it, by sending a token."""
    request = context.request_context
    asked = request is not None and (request.meta or {}).get("progressToken") is not None
    return Progress(context) if asked else None


def _trace_of(context: Context) -> SpanContext | None:
    """Give the trace that the client makes the request part of: MCP's own way, or HTTP's."""
    request = context.request_context
    if request is None:
        return None
    http = request.request
    return trace_of(request.meta, http.headers if http is not None else None)

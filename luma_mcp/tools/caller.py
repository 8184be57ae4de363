"""Who calls: the web layer leaves it in the request's token, tools ask for it by parameter."""

from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.server.auth import AccessToken
from fastmcp.server.dependencies import get_access_token
from pydantic import Field, SkipValidation

from luma_mcp.services import Access, Caller, Services


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


def current_caller(context: Context = CurrentContext()) -> Caller:  # noqa: B008 - FastMCP's way
    """Make the caller of this request; FastMCP injects it into tools."""
    services: Services = context.lifespan_context["services"]
    return Caller(services, access_of_request(services))


CURRENT_CALLER = Depends(current_caller)

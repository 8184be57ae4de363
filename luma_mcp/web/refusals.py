"""Errors of the HTTP surface, in the same words and fields as those of the tools."""

from starlette.responses import JSONResponse

from luma_mcp.errors import LumaMcpError, MissingKey


def refusal(error: LumaMcpError, status: int | None = None) -> JSONResponse:
    """Answer an error over plain HTTP: 401 for a missing key, else 400 unless told otherwise."""
    missing = isinstance(error, MissingKey)
    return JSONResponse(
        {"code": error.code, "message": error.message, "advice": error.advice},
        status_code=status or (401 if missing else 400),
        # A bare challenge: naming resource metadata would start an OAuth flow in clients.
        headers={"WWW-Authenticate": "Bearer"} if missing else None,
    )

"""Errors of the HTTP surface, in the same words and fields as those of the tools."""

import secrets

from starlette.responses import JSONResponse

from luma_mcp.errors import LumaMcpError, MissingKey
from luma_mcp.telemetry import get_logger

_log = get_logger()


def refusal(error: LumaMcpError, status: int | None = None) -> JSONResponse:
    """Answer an error over plain HTTP: 401 for a missing key, else 400 unless told otherwise."""
    missing = isinstance(error, MissingKey)
    status = status or (401 if missing else 400)
    request_id = secrets.token_hex(8)
    _log.info("refused", code=error.code, status=status, request_id=request_id)
    return JSONResponse(
        error.fields(request_id),
        status_code=status,
        # A bare challenge: naming resource metadata would start an OAuth flow in clients.
        headers={"WWW-Authenticate": "Bearer"} if missing else None,
    )

"""Whether the process lives, and whether to send it more calls."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def alive(_request: Request) -> Response:
    """Say that the process lives."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """Say whether to send more calls here: none while it ends, nor with Luma out of reach.

    `?exclude=luma` (the parameter is that of Kubernetes' own /readyz) leaves Luma out, for
    balancers: with Luma away they would take out every replica, and callers would not even hear
    what is wrong.
    """
    services = request.app.state.services
    if services.waiting_room.is_stopping:
        return JSONResponse({"status": "draining"}, status_code=503)
    body: dict[str, str | bool] = {"status": "ready"}
    if "luma" not in request.query_params.getlist("exclude"):
        body["luma_reachable"] = await services.reachability.check()
    if services.engine is not None:
        shared = await services.engine.check()
        body["shared_store"] = "ok" if shared else "unreachable"
        if not shared:  # what needs no promise of all replicas together works on
            body["status"] = "degraded"
    if body.get("luma_reachable") is False:
        body["status"] = "not ready"
        return JSONResponse(body, status_code=503)
    return JSONResponse(body)

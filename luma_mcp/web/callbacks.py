"""Where Luma's callbacks arrive: each only makes the watch of its job look early."""

from starlette.requests import Request
from starlette.responses import Response


async def hear(request: Request) -> Response:
    """Ring for the job that the token names; anything else has no effect.

    The answer is always 200, and the body is not read. It would help a forger to hear what is
    wrong with a token, and Luma may take a job whose callback is not answered with 200 for failed.
    """
    services = request.app.state.services
    if services.callbacks is not None:
        sign = services.callbacks.read(request.path_params["token"])
        if sign is not None:
            services.waiting_room.ring(sign)
    return Response()

"""The sandbox as the settings want it, for `--sandbox` and for `luma-mcp sandbox`."""

from starlette.applications import Starlette
from starlette.routing import Route

from luma_mcp.sandbox.app import DrawingNotInstalled, build_sandbox
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import Clock
from luma_mcp.settings import SettingError, Settings
from luma_mcp.web.health import alive


def build_emulator(settings: Settings, below: str = "", clock: Clock | None = None) -> Starlette:
    """Build the emulator of Luma.

    Args:
        settings: Its pace, and the address under which people reach it.
        below: The path that it is mounted at. Alone, it says on /healthz that it lives, which Luma
            does not.
        clock: What its jobs age by; the machine's own clock by default.

    Raises:
        SettingError: The libraries that draw its media are not installed.
    """
    behaviour = Behaviour(
        queued_seconds=settings.sandbox_queued_seconds,
        dreaming_seconds=settings.sandbox_dreaming_seconds,
        public_url=f"{settings.public_url}{below}" if settings.public_url else None,
    )
    try:
        emulator = build_sandbox(behaviour=behaviour, clock=clock)
    except DrawingNotInstalled as error:
        raise SettingError(str(error)) from None
    if not below:
        emulator.router.routes.append(Route("/healthz", alive))
    return emulator

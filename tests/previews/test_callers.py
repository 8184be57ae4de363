"""Previews as callers get them: each their own, and no paid job is lost over one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import httpx
import pytest
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from luma_mcp.luma.jobs import Assets, Job
from luma_mcp.previews import Previews
from luma_mcp.services import Access, Caller
from luma_mcp.settings import load_settings
from tests.previews.files import RED, saved
from tests.servers import serving
from tests.services import access_with, open_services_over
from tests.tools.calls import BOTH, JOB_ID, OWN, Upstream

PICTURE = saved(Image.new("RGB", (8, 8), RED), "PNG")
Ask = Callable[[Access], Awaitable[bytes | None]]


class MediaHost:
    """Hands out one picture at every address, unless it is told to keep people waiting."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.goes_on.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(Request(scope).url.path)
        self.begun.set()
        await self.goes_on.wait()
        await Response(PICTURE, media_type="image/png")(scope, receive, send)


class Faulty(Previews):
    """Previews with a fault of ours."""

    async def preview_of(self, *_: object, **__: object) -> bytes | None:
        raise RuntimeError("of ours")


@pytest.fixture
async def host() -> MediaHost:
    return MediaHost()


@pytest.fixture
async def ask(host: MediaHost) -> AsyncIterator[Ask]:
    """Ask for the preview of one and the same job, with these keys."""
    nowhere = httpx.ASGITransport(Upstream())
    async with (
        serving(host) as url,
        Previews([url]) as previews,
        open_services_over(nowhere, load_settings()) as services,
    ):
        job = Job(api="agents", id=f"agents:{JOB_ID}", assets=Assets(image=f"{url}/boat.png?a=b"))
        ours = replace(services, previews=previews)
        yield lambda access: Caller(ours, access).preview_of(job)


async def test_nobody_gets_a_preview_that_was_made_for_somebody_else(
    ask: Ask, host: MediaHost
) -> None:
    for access in (OWN, access_with("luma-eve"), BOTH, OWN):
        assert await ask(access)
    assert host.asked == ["/boat.png"] * 3


async def test_the_id_of_a_job_whose_caller_leaves_meanwhile_is_in_the_log(
    ask: Ask, host: MediaHost
) -> None:
    host.goes_on.clear()
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(OWN))
            await host.begun.wait()
            asking.cancel()
    host.goes_on.set()
    left = [line["generation_id"] for line in logs if line["event"] == "left"]
    assert left == [f"agents:{JOB_ID}"]


async def test_a_fault_of_ours_never_hides_a_job_that_was_just_paid_for() -> None:
    nowhere = httpx.ASGITransport(Upstream())
    job = Job(api="agents", id=f"agents:{JOB_ID}", assets=Assets(image="https://a.example/b.png"))
    async with Faulty([]) as previews, open_services_over(nowhere, load_settings()) as services:
        caller = Caller(replace(services, previews=previews), OWN)
        with capture_logs() as logs:
            assert await caller.preview_of(job) is None
    assert [(line["event"], line["generation_id"]) for line in logs] == [("fault", job.id)]

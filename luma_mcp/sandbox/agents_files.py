"""The Files API of the Agents API, and the presigned uploads that S3 takes for it."""

import tempfile
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import IO, get_args

import anyio
import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from luma_mcp.sandbox.accounts import Accounts
from luma_mcp.sandbox.agents import PREFIX
from luma_mcp.sandbox.agents_accounts import AgentsAccount
from luma_mcp.sandbox.agents_bodies import FileBody
from luma_mcp.sandbox.behaviour import Behaviour
from luma_mcp.sandbox.clock import Clock
from luma_mcp.sandbox.faults import AGENTS_FAILURES, parse_faults
from luma_mcp.sandbox.files import File, FileState, Finding, Purpose
from luma_mcp.sandbox.jobs import Json, write_moment
from luma_mcp.sandbox.presigning import LinkRefused, Presigner
from luma_mcp.sandbox.reading import (
    check_shape,
    get_public_url,
    parse_body,
    read_body,
    read_query_integer,
    stream_body,
)

UPLOADS = "/agents/uploads"
_MAX_PAGE = 100
_DEFAULT_PAGE = 25
_MAX_FIELDS = 20
_MEMORY_BYTES = 1024 * 1024  # what is larger lies on disk while it is looked at
_FORM = "multipart/form-data"

Inspection = Callable[[IO[bytes], str], Finding]


class Incoming:
    """All bytes of files that are under way, bounded together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0

    @asynccontextmanager
    async def count(self, parts: AsyncIterator[bytes]) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """Let parts through, and count them until the block ends."""
        counted = 0

        async def go_on() -> AsyncGenerator[bytes]:
            nonlocal counted
            async for part in parts:
                counted += len(part)
                self._bytes += len(part)
                if self._bytes > self._limit_bytes:
                    raise HTTPException(507, "The sandbox takes no more uploads at the moment")
                yield part

        try:
            yield go_on()
        finally:
            self._bytes -= counted


class AgentsFiles:
    """The endpoints of files: announced and then uploaded, or sent in one form."""

    def __init__(
        self,
        behaviour: Behaviour,
        clock: Clock,
        accounts: Accounts[AgentsAccount],
        presigner: Presigner,
        inspect: Inspection,
    ) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._accounts = accounts
        self._presigner = presigner
        self._inspect = inspect
        self._incoming = Incoming(behaviour.max_incoming_bytes)
        self._seats = anyio.CapacityLimiter(behaviour.max_renders)
        # A file that its account has forgotten is gone from here as well.
        self._expected: weakref.WeakValueDictionary[str, File] = weakref.WeakValueDictionary()

    def list_routes(self) -> list[Route]:
        """Every endpoint, below the prefix of the API."""
        return [
            Route("/files", self.create_file, methods=["POST"]),
            Route("/files", self.list_files, methods=["GET"]),
            Route("/files/{id}", self.get_file, methods=["GET"]),
            Route("/files/{id}", self.delete_file, methods=["DELETE"]),
            Route("/files/{id}/complete", self.complete_file, methods=["POST"]),
        ]

    def list_upload_routes(self) -> list[Route]:
        """Where presigned links lead."""
        return [Route(UPLOADS + "/{name}", self.take_upload, methods=["PUT"])]

    async def create_file(self, request: Request) -> Response:
        """POST /files, in one of two ways; Luma does not publish the status."""
        account = self._accounts.get(request.headers)
        if request.headers.get("content-type", "").lower().startswith(_FORM):
            return await self._take_form(request, account)
        raw = await read_body(request, self._behaviour.max_body_bytes)
        file = self._build(parse_body(raw, FileBody, 422))
        account.files.add(file)
        self._expected[file.secret] = file
        return self._answer_created(file, self._invite(file, request))

    async def list_files(self, request: Request) -> Response:
        """GET /files."""
        account = self._accounts.get(request.headers)
        limit = read_query_integer(
            request, "limit", default=_DEFAULT_PAGE, low=1, high=_MAX_PAGE, status=422
        )
        filters = {
            name: value
            for name, known in (("purpose", get_args(Purpose)), ("state", get_args(FileState)))
            if (value := _read_choice(request, name, known))
        }
        cursor = request.query_params.get("cursor")
        return JSONResponse(account.files.list_page(self._clock.now(), limit, cursor, filters))

    async def get_file(self, request: Request) -> Response:
        """GET /files/{id}, deleted or not."""
        return self._answer(self._find(request))

    async def complete_file(self, request: Request) -> Response:
        """POST /files/{id}/complete, which says so however often it is called."""
        file = self._find(request)
        file.complete(self._clock.now(), self._behaviour.ingest_seconds)
        return self._answer(file)

    async def delete_file(self, request: Request) -> Response:
        """DELETE /files/{id}: it stays visible as deleted; a second time changes nothing."""
        file = self._find(request)
        file.deleted_at = file.deleted_at or self._clock.now()
        return Response(status_code=204)

    async def take_upload(self, request: Request) -> Response:
        """PUT of the bytes, without a key; until the file is complete it may be repeated."""
        name = request.path_params["name"]
        try:
            self._presigner.check("PUT", name, request.query_params)
            file = self._expect(name, request.headers.get("content-type"))
            await self._take_bytes(request, file)
        except LinkRefused as refusal:
            return refusal.build_answer()
        return Response(headers={"etag": f'"{file.id}"'})

    async def _take_form(self, request: Request, account: AgentsAccount) -> Response:
        limit = self._behaviour.max_inline_bytes
        text = f"A form may have {limit} bytes; announce larger files with JSON"
        async with self._incoming.count(stream_body(request, limit, text)) as parts:
            parser = MultiPartParser(request.headers, parts, max_files=1, max_fields=_MAX_FIELDS)
            try:
                form = await parser.parse()
            except MultiPartException as error:
                raise HTTPException(422, f"The form cannot be read: {error.message}") from None
            try:
                file = await self._read_form(dict(form))
            finally:
                await form.close()
        account.files.add(file)
        return self._answer_created(file, None)

    async def _read_form(self, form: dict[str, UploadFile | str]) -> File:
        upload = form.pop("file", None)
        if not isinstance(upload, UploadFile):
            raise HTTPException(422, "file: Field required")
        described = {"filename": upload.filename, "mime_type": upload.content_type, **form}
        file = self._build(check_shape({**described, "size_bytes": upload.size}, FileBody, 422))
        await self._look_at(file, upload.file)
        file.complete(self._clock.now(), self._behaviour.ingest_seconds)
        return file

    async def _take_bytes(self, request: Request, file: File) -> None:
        limit = min(file.size_bytes, self._behaviour.max_file_bytes)
        if file.size_bytes > limit:
            raise HTTPException(413, f"The sandbox takes files of {limit} bytes at most")
        parts = stream_body(request, limit, f"The body has more than {limit} bytes")
        async with self._incoming.count(parts) as counted:
            with tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES) as body:
                async for part in counted:
                    body.write(part)
                if body.tell() < file.size_bytes:
                    raise LinkRefused(400, "IncompleteBody", "The body has too few bytes")
                body.seek(0)
                await self._look_at(file, body)

    async def _look_at(self, file: File, body: IO[bytes]) -> None:
        found = await anyio.to_thread.run_sync(
            self._inspect, body, file.mime_type, limiter=self._seats
        )
        if failure := parse_faults(file.filename or "", AGENTS_FAILURES).failure:
            found = replace(found, failure_reason=failure.reason)
        file.finding = found

    def _build(self, body: FileBody) -> File:
        parse_faults(body.filename or "", AGENTS_FAILURES)
        return File(
            mime_type=body.mime_type,
            purpose=body.purpose,
            size_bytes=body.size_bytes,
            filename=body.filename,
            user_id=body.user_id,
            expires_at=body.expires_at,
            created_at=self._clock.now(),
        )

    def _invite(self, file: File, request: Request) -> Json:
        seconds = self._behaviour.upload_seconds
        public_url = get_public_url(request, self._behaviour, PREFIX)
        query = self._presigner.sign("PUT", file.secret, seconds)
        return {
            "url": f"{public_url}{UPLOADS}/{file.secret}?{query}",
            "method": "PUT",
            "headers": {"Content-Type": file.mime_type},
            "expires_at": write_moment(self._clock.now() + timedelta(seconds=seconds)),
        }

    def _expect(self, name: str, content_type: str | None) -> File:
        file = self._expected.get(name)
        if file is None or file.ingested_at or file.get_state(self._clock.now()) == "deleted":
            raise LinkRefused(403, "AccessDenied", "Nothing is expected here any more")
        if content_type != file.mime_type:
            raise LinkRefused(403, "SignatureDoesNotMatch", "Content-Type is not what was signed")
        return file

    def _find(self, request: Request) -> File:
        return self._accounts.get(request.headers).files.find(request.path_params["id"])

    def _answer(self, file: File) -> Response:
        return JSONResponse(file.describe(self._clock.now()))

    def _answer_created(self, file: File, upload: Json | None) -> Response:
        described = file.describe(self._clock.now())
        answer = {"id": file.id, "state": described["state"], "file": described, "upload": upload}
        return JSONResponse(answer, status_code=201)


def _read_choice(request: Request, name: str, known: tuple[str, ...]) -> str | None:
    value = request.query_params.get(name)
    if value is not None and value not in known:
        raise HTTPException(422, f"{name}: must be one of {', '.join(known)}")
    return value

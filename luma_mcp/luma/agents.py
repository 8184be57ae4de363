"""The 7 operations of the Agents API (SDK luma-agents 0.5): generations and files.

What to say and how to read the answer; how to send it is `sending`. The API can neither list nor
delete generations, and tells no balance.
"""

from dataclasses import replace

import httpx

from luma_mcp.errors import BadResponse
from luma_mcp.luma import exchange
from luma_mcp.luma.agents_models import (
    CreatedFile,
    CreateFile,
    CreateGeneration,
    File,
    FileList,
    Generation,
    PresignedUpload,
)
from luma_mcp.luma.apis import AGENTS
from luma_mcp.luma.exchange import read, read_nothing
from luma_mcp.luma.ids import checked_file_id, checked_id
from luma_mcp.luma.jobs import Job
from luma_mcp.luma.sending import MAX_ATTEMPTS, Call, Sender
from luma_mcp.luma.transport import Answer, BearerKey


def _read_created(answer: Answer) -> tuple[File, PresignedUpload | None]:
    """Read what was stored; its id and state stand in two places, of which either will do."""
    created = read(CreatedFile, answer)
    file = created.file or File(state=created.state)
    file_id = file.id or created.id
    if not file_id:
        raise BadResponse("Luma's answer holds no id of the new file.")
    if created.upload and not created.upload.url:
        raise BadResponse("Luma's answer does not say where to send the file.")
    return file.model_copy(update={"id": file_id}), created.upload


def _read_file(answer: Answer, file_id: str) -> File:
    """Read the file that was asked for, whether or not the answer names it."""
    file = read(File, answer)
    return file if file.id else file.model_copy(update={"id": file_id})


class Agents:
    """The Agents API as one caller sees it; lives for one request.

    Every method raises the errors of `luma_mcp.errors`, and nothing else.

    Args:
        sender: Sends the calls.
        secret: The caller's key.
    """

    def __init__(self, sender: Sender, secret: str) -> None:
        self._sender = sender
        self._auth = BearerKey(secret)

    async def check_key(self) -> None:
        """Ask for one file, which costs nothing: the API has nothing to ping."""
        await self.list_files(limit=1)

    async def create(self, request: CreateGeneration) -> Job:
        """POST /generations; the answer does not repeat the prompt, the job does."""
        call = Call("POST", "/generations", body=request.to_json())
        job = await exchange.create(self._sender, call, self._auth, Generation)
        return replace(job, prompt=request.prompt)

    async def get_generation(self, generation_id: str, *, attempts: int = MAX_ATTEMPTS) -> Job:
        """GET /generations/{id}, up to so many times; finished ones get fresh links each time."""
        bare = checked_id(generation_id, AGENTS)
        call = Call("GET", "/generations/{id}", attempts=attempts, id=bare)
        job = read(Generation, await self._sender.send(call, self._auth)).to_job()
        return exchange.about(job, f"{AGENTS.id_prefix}{bare}")

    async def begin_upload(self, request: CreateFile) -> tuple[File, PresignedUpload | None]:
        """POST /files as JSON: the answer says where the bytes are to be PUT."""
        call = Call("POST", "/files", body=request.to_json(), is_free=True)
        return _read_created(await self._sender.send(call, self._auth))

    async def upload(self, request: CreateFile, content: bytes) -> File:
        """POST /files as a form, with the bytes; for small files."""
        fields = request.model_dump(mode="json", exclude_none=True, exclude={"size_bytes"})
        part = (request.filename or "file", content, request.mime_type)
        # httpx writes the form; the request itself is made and sent by the sender.
        form = httpx.Request("POST", "http://form", data=fields, files={"file": part})
        call = Call(
            "POST",
            "/files",
            body=form.read(),
            content_type=form.headers["Content-Type"],
            is_free=True,
        )
        file, _ = _read_created(await self._sender.send(call, self._auth))
        return file

    async def complete_upload(self, file_id: str) -> File:
        """POST /files/{id}/complete: Luma takes in what was PUT."""
        bare = checked_file_id(file_id)
        call = Call("POST", "/files/{id}/complete", is_free=True, id=bare)
        return _read_file(await self._sender.send(call, self._auth), bare)

    async def get_file(self, file_id: str, *, attempts: int = MAX_ATTEMPTS) -> File:
        """GET /files/{id}, up to so many times."""
        bare = checked_file_id(file_id)
        call = Call("GET", "/files/{id}", attempts=attempts, id=bare)
        return _read_file(await self._sender.send(call, self._auth), bare)

    async def list_files(
        self,
        limit: int,
        cursor: str | None = None,
        purpose: str | None = None,
        state: str | None = None,
    ) -> FileList:
        """GET /files, one page, the newest first."""
        asked = {"limit": limit, "cursor": cursor, "purpose": purpose, "state": state}
        query = {name: value for name, value in asked.items() if value is not None}
        return read(FileList, await self._get("/files", query))

    async def delete_file(self, file_id: str) -> None:
        """DELETE /files/{id}: 204 without a body."""
        call = Call("DELETE", "/files/{id}", id=checked_file_id(file_id))
        read_nothing(await self._sender.send(call, self._auth))

    async def _get(self, path: str, query: dict[str, int | str]) -> Answer:
        return await self._sender.send(Call("GET", path, query), self._auth)

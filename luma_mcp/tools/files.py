"""Tools about files: pictures and videos that Luma's Agents API keeps for later jobs."""

import base64
import binascii
from typing import Annotated, Literal, Self

from fastmcp.tools import tool
from pydantic import BaseModel, Field, StringConstraints

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import agents_models as agents
from luma_mcp.luma.agents_rules import check_file, check_url
from luma_mcp.redaction import quoted
from luma_mcp.services import Caller
from luma_mcp.tools.definition import DELETES, KEEPS, READS
from luma_mcp.tools.parameters import FileId, Url, WaitSeconds
from luma_mcp.tools.results import Result
from luma_mcp.wording import count, one_line

# A whole message may have 256 KiB, and base64 takes four bytes for three.
MAX_INLINE_BYTES = 150_000
_USE = "give it as file_id, or as source, to a tool that creates with ray-3.2, uni-1 or uni-1-max"


class File(Result):
    """A file that Luma keeps."""

    id: str | None
    state: str = Field(
        description="pending until Luma has taken it in, then ready or failed; deleted; unknown."
    )
    mime_type: str | None
    size_bytes: int | None
    filename: str | None
    purpose: str | None
    created_at: str | None
    expires_at: str | None
    failure_reason: str | None

    @classmethod
    def of(cls, file: agents.File) -> Self:
        """Read one of Luma's files; every member may be missing there."""
        reason = quoted(file.failure_reason) if file.failure_reason else None
        return cls(
            id=file.id,
            state=file.state or "unknown",
            mime_type=file.mime_type,
            size_bytes=file.size_bytes,
            filename=file.filename,
            purpose=file.purpose,
            created_at=file.created_at,
            expires_at=file.expires_at,
            failure_reason=reason,
        )

    @property
    def is_lost(self) -> bool:
        """Whether no job can use it, now or later."""
        return self.state in {"failed", "deleted"}

    def lines(self) -> list[str]:
        """Say what it is in one line."""
        parts = [self.id or "unknown", self.filename, self.mime_type, self.state]
        if self.size_bytes is not None:
            parts.append(count(self.size_bytes, "byte"))
        parts.append(self.failure_reason)
        return [" · ".join(one_line(part) for part in parts if part)]


class PresignedUpload(BaseModel):
    """Where the bytes are to be sent, without any key."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: str | None


class Upload(Result):
    """What became of an upload."""

    file: File | None = Field(description="Null if nothing had to be uploaded.")
    source: dict[str, str] = Field(description="What to give to other tools as source.")
    upload: PresignedUpload | None = Field(description="What is still to be sent, if anything.")
    next_step: str | None

    def lines(self) -> list[str]:
        """Say how it stands and what to do next."""
        lines = [f"File {line}" for line in (self.file.lines() if self.file else [])]
        if self.upload:
            lines.append(f"{self.upload.method} {self.upload.url}")
            lines += [f"{name}: {value}" for name, value in self.upload.headers.items()]
        return lines + ([self.next_step] if self.next_step else [])

    @classmethod
    def of(cls, file: agents.File, upload: agents.PresignedUpload | None = None) -> Self:
        """Tell of a file, and of what is still to be sent."""
        shown = File.of(file)
        return cls(
            file=shown,
            source={"file_id": shown.id} if shown.id and not shown.is_lost else {},
            upload=_presigned(upload) if upload else None,
            next_step=_next_step(shown, has_to_be_sent=upload is not None),
        )


def _presigned(upload: agents.PresignedUpload) -> PresignedUpload:
    return PresignedUpload(
        method=upload.method or "PUT",
        url=upload.url or "",
        headers=upload.headers or {},
        expires_at=upload.expires_at,
    )


def _next_step(file: File, *, has_to_be_sent: bool) -> str | None:
    if has_to_be_sent:
        return (
            "Send the bytes there with these headers and nothing else, such as with curl "
            f"--upload-file; then call upload_file with file_id {file.id}."
        )
    if file.state == "ready":
        return f"The file is ready: {_USE}."
    if file.state == "pending":
        return f"Luma is taking the file in: call upload_file with file_id {file.id} again."
    return None


class FileList(Result):
    """One page of the caller's files, newest first."""

    files: list[File]
    count: int = Field(description="How many are on this page.")
    has_more: bool
    next_cursor: str | None = Field(description="The cursor of the next page, if there is one.")

    def lines(self) -> list[str]:
        """Say one line for each file."""
        lines = [f"- {line}" for file in self.files for line in file.lines()]
        if self.next_cursor:
            lines.append(f"There are more: call again with cursor {self.next_cursor}.")
        return lines or ["No files."]


class FileDeletion(Result):
    """A file is gone."""

    id: str
    deleted: Literal[True] = True

    def lines(self) -> list[str]:
        """Say that it is gone."""
        return [f"File {self.id} is deleted."]


Purpose = Annotated[
    agents.FilePurpose | None,
    Field(description="input: what a job changes; reference: what it goes by."),
]


@tool(title="Upload a file", tags={"files"}, annotations=KEEPS)
async def upload_file(
    caller: Caller,
    url: Annotated[
        Url | None, Field(description="A public https URL: needs no upload, Luma fetches it.")
    ] = None,
    size_bytes: Annotated[
        int | None,
        Field(ge=1, description="To send the file yourself: its exact size."),
    ] = None,
    data: Annotated[
        str | None,
        Field(description=f"A small file in base64, up to {MAX_INLINE_BYTES:,} bytes of it."),
    ] = None,
    file_id: Annotated[
        FileId | None, Field(description="To complete an upload, once its bytes are sent.")
    ] = None,
    mime_type: Annotated[
        str | None,
        StringConstraints(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=100),
        Field(description="Such as image/png or video/mp4; with size_bytes or data."),
    ] = None,
    filename: Annotated[
        str | None, Field(max_length=255, description="A name to find it by in list_files.")
    ] = None,
    purpose: Purpose = None,
    expires_at: Annotated[
        str | None,
        Field(description="When Luma may delete it, such as 2030-01-31T12:00:00Z; else it stays."),
    ] = None,
    wait_seconds: WaitSeconds = 20,
) -> Upload:
    """Give Luma's Agents API a picture or video to work with; costs nothing.

    Give exactly one of url, size_bytes, data and file_id. With size_bytes the answer says where to
    PUT the bytes and with which headers (no key); then call again with the file_id, which stays
    wait_seconds until the file is ready. Use the answer's `source` in edit_image, extract_layers,
    image_ref and indexed_keyframes, its file_id in modify_video, reframe_video and keyframes.
    """
    ways = (url, size_bytes, data, file_id)
    if sum(way is not None for way in ways) != 1:
        raise InvalidRequest(
            "Give exactly one of url, size_bytes, data and file_id.",
            advice="A public URL needs no upload at all; a large file takes size_bytes.",
        )
    if url is not None:
        return _no_upload(url)
    if file_id is not None:
        return await _complete(caller, file_id, wait_seconds)
    told, content = (None, None) if data is None else _read_inline(data)
    request = agents.CreateFile(
        mime_type=_needed(mime_type or told),
        size_bytes=size_bytes or len(content or b""),
        filename=filename,
        purpose=purpose,
        expires_at=expires_at,
    )
    check_file(request)
    if content is None:
        return Upload.of(*await caller.agents.begin_upload(request))
    stored = await caller.agents.upload(request, content)
    return Upload.of(await caller.wait_for_file(stored, wait_seconds))


def _no_upload(url: str) -> Upload:
    check_url("url", url)
    step = "Nothing was uploaded: Luma fetches the URL itself when it is given as a source."
    return Upload(file=None, source={"url": url}, upload=None, next_step=step)


async def _complete(caller: Caller, file_id: str, wait_seconds: int) -> Upload:
    """Let Luma take in what was sent; a file that it takes in already is only waited for."""
    try:
        file = await caller.agents.complete_upload(file_id)
    except InvalidRequest:
        # Before its bytes are there, and while Luma takes them in, it is pending alike.
        file = await caller.wait_for_file(await caller.agents.get_file(file_id), wait_seconds)
        if file.state == "pending":
            raise
        return Upload.of(file)
    return Upload.of(await caller.wait_for_file(file, wait_seconds))


def _needed(mime_type: str | None) -> str:
    if mime_type is None:
        raise InvalidRequest(
            "mime_type is required.", advice="Say what the file is, such as image/png or video/mp4."
        )
    return mime_type


def _read_inline(data: str) -> tuple[str | None, bytes]:
    """Read base64, as it is or in a data: URL, which may say the media type (RFC 2397)."""
    head, comma, text = data.partition(",")
    if not comma:
        return None, _decoded(data)
    if not (head.startswith("data:") and head.endswith(";base64")):
        raise _no_base64()
    media_type = head.removeprefix("data:").partition(";")[0]
    return media_type or None, _decoded(text)


def _no_base64() -> InvalidRequest:
    return InvalidRequest("data is not base64.", advice="Send the file's bytes in base64.")


def _decoded(text: str) -> bytes:
    """Decode base64, which programs like to break into lines."""
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise _no_base64() from None
    if not 0 < len(content) <= MAX_INLINE_BYTES:
        raise InvalidRequest(
            f"data holds {count(len(content), 'byte')}; 1 to {MAX_INLINE_BYTES:,} are taken.",
            advice="Send a larger file yourself: call upload_file with size_bytes.",
        )
    return content


@tool(title="List files", tags={"files"}, annotations=READS)
async def list_files(
    caller: Caller,
    limit: Annotated[int, Field(ge=1, le=100, description="How many to show.")] = 25,
    cursor: Annotated[
        str | None, Field(max_length=1000, description="next_cursor of the page before.")
    ] = None,
    purpose: Purpose = None,
    state: Annotated[
        agents.FileState | None, Field(description="Only files in this state.")
    ] = None,
) -> FileList:
    """List the files that Luma's Agents API keeps for the caller, newest first.

    Use it to find a file that was uploaded before. When has_more is true, the next page starts at
    next_cursor.
    """
    page = await caller.agents.list_files(limit, cursor, purpose, state)
    files = [File.of(file) for file in page.data]
    return FileList(
        files=files,
        count=len(files),
        has_more=page.next_cursor is not None if page.has_more is None else page.has_more,
        next_cursor=page.next_cursor,
    )


@tool(title="Delete a file", tags={"files"}, annotations=DELETES)
async def delete_file(caller: Caller, file_id: FileId) -> FileDeletion:
    """Delete a file that Luma's Agents API keeps; later jobs cannot use it any more.

    Ask the user before calling it: it cannot be undone. Results made with it stay.
    """
    await caller.agents.delete_file(file_id)
    return FileDeletion(id=file_id)

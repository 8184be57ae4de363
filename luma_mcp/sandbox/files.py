"""The files of one account in the Agents API: what is known of them, not their bytes."""

import secrets
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal

from starlette.exceptions import HTTPException

from luma_mcp.sandbox.behaviour import Behaviour, Kind
from luma_mcp.sandbox.jobs import Json, write_moment

Purpose = Literal["input", "reference"]
FileState = Literal["pending", "ready", "failed", "deleted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What bytes turned out to be.

    Attributes:
        kind: A picture or a clip; None if neither.
        size: Width and height in pixels.
        seconds: How long a clip is, in started seconds.
        failure_reason: What is wrong with them.
    """

    kind: Kind | None = None
    size: tuple[int, int] = (1, 1)
    seconds: int = 0
    failure_reason: str | None = None


@dataclass(kw_only=True)
class File:
    """One file, from its announcement on.

    Attributes:
        finding: What the bytes are, once they have arrived.
        ingested_at: When it is known to be ready or to have failed; None before it is complete.
        deleted_at: When its owner deleted it.
    """

    mime_type: str
    purpose: Purpose
    size_bytes: int
    filename: str | None
    user_id: str | None
    expires_at: datetime | None
    created_at: datetime
    finding: Finding | None = None
    ingested_at: datetime | None = None
    deleted_at: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cursor(self) -> str:
        """What a page that ends with this file calls the next one."""
        return uuid.UUID(self.id).hex

    def complete(self, now: datetime, ingest_seconds: float) -> None:
        """Begin the ingest; once begun, nothing changes.

        Raises:
            HTTPException: 409, if the bytes have not arrived, or the file is deleted.
        """
        if self.get_state(now) == "deleted":
            raise HTTPException(409, "File is deleted")
        if self.finding is None:
            raise HTTPException(409, "File has not been uploaded yet")
        if self.ingested_at is None:
            self.ingested_at = now + timedelta(seconds=ingest_seconds)

    def get_state(self, now: datetime) -> FileState:
        """Its state."""
        if self._get_deleted_at(now) is not None:
            return "deleted"
        if self.finding is None or self.ingested_at is None or now < self.ingested_at:
            return "pending"
        return "failed" if self.finding.failure_reason else "ready"

    def describe(self, now: datetime) -> Json:
        """The File object of Luma's SDK, luma-agents 0.5.0."""
        state = self.get_state(now)
        reason = self.finding.failure_reason if self.finding and state == "failed" else None
        return {
            "id": self.id,
            "created_at": write_moment(self.created_at),
            "mime_type": self.mime_type,
            "purpose": self.purpose,
            "size_bytes": self.size_bytes,
            "state": state,
            "filename": self.filename,
            "user_id": self.user_id,
            "expires_at": _write(self.expires_at),
            "deleted_at": _write(self._get_deleted_at(now)),
            "failure_reason": reason,
        }

    def _get_deleted_at(self, now: datetime) -> datetime | None:
        """When it was deleted: by its owner, or because its time was up."""
        gone = [self.deleted_at] if self.deleted_at else []
        if self.expires_at and self.expires_at <= now:
            gone.append(self.expires_at)
        return min(gone, default=None)


def _write(moment: datetime | None) -> str | None:
    return write_moment(moment) if moment else None


class Files:
    """The files of one account, in the order in which they came."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._files: OrderedDict[str, File] = OrderedDict()

    def add(self, file: File) -> None:
        """Remember a file, and forget the oldest if there are many."""
        self._files[file.id] = file
        if len(self._files) > self._behaviour.max_files_per_account:
            self._files.popitem(last=False)

    def find(self, file_id: str) -> File:
        """The file of this id, deleted or not.

        Raises:
            HTTPException: 404, if this account has none; Luma does not publish the text.
        """
        if file_id not in self._files:
            raise HTTPException(404, "File not found")
        return self._files[file_id]

    def get(self, file_id: str) -> File | None:
        """The file of this id, if this account has it."""
        return self._files.get(file_id)

    def list_page(
        self, now: datetime, limit: int, cursor: str | None, filters: dict[str, str]
    ) -> Json:
        """A page, the newest first; the deleted are in it, as there is a filter for them.

        Raises:
            HTTPException: 422, if the cursor is unknown.
        """
        found = list(islice(self._list_after(cursor, now, filters), limit + 1))
        page = found[:limit]
        more = len(found) > limit
        return {
            "data": [file.describe(now) for file in page],
            "has_more": more,
            "next_cursor": page[-1].cursor if more else None,
        }

    def _list_after(
        self, cursor: str | None, now: datetime, filters: dict[str, str]
    ) -> Iterator[File]:
        files = reversed(self._files.values())
        if cursor is not None and not any(file.cursor == cursor for file in files):
            raise HTTPException(422, "cursor: is not one that was given out")
        for file in files:
            traits = {"purpose": file.purpose, "state": file.get_state(now)}
            if all(traits[name] == value for name, value in filters.items()):
                yield file

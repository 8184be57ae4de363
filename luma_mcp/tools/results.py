"""What tools answer: data for programs, a few lines for people, links for clients."""

import mimetypes
from abc import abstractmethod
from typing import Literal, Self
from urllib.parse import urlsplit

from mcp.types import ContentBlock, ResourceLink, TextContent
from pydantic import BaseModel, Field

from luma_mcp.luma import dream_machine_models as luma
from luma_mcp.luma.failures import FailureCode, meaning_of
from luma_mcp.redaction import quoted
from luma_mcp.wording import count, one_line

MAX_PROMPT_LINE = 200
LINKED = ("video", "image")  # what a person wants to open; a progress video passes


class Result(BaseModel):
    """Base of all answers: the model is the structured content."""

    @abstractmethod
    def lines(self) -> list[str]:
        """Say it in a few lines that a person likes to read."""

    def links(self) -> list[ResourceLink]:
        """Point to what was made."""
        return []

    def content(self) -> list[ContentBlock]:
        """Give the text and the links."""
        return [TextContent(type="text", text="\n".join(self.lines())), *self.links()]


class Assets(BaseModel):
    """Links to what was made."""

    video: str | None = Field(default=None, description="MP4 file.")
    image: str | None = Field(default=None, description="JPEG or PNG file.")
    progress_video: str | None = Field(
        default=None, description="A further link, which Luma does not explain."
    )


class Failure(BaseModel):
    """Why a job failed."""

    code: FailureCode
    reason: str = Field(description="Luma's own words.")
    advice: str
    refunded: bool


def _assets(assets: luma.Assets | None) -> Assets | None:
    if assets is None or not (assets.video or assets.image or assets.progress_video):
        return None
    return Assets(video=assets.video, image=assets.image, progress_video=assets.progress_video)


def _failure(job: luma.Generation) -> Failure | None:
    if job.state != "failed":
        return None
    meaning = meaning_of(job.failure_reason)
    reason = quoted(job.failure_reason or "Luma gave no reason.")
    # Dream Machine refunds every failed job in full (docs.lumalabs.ai/docs/faq).
    return Failure(code=meaning.code, reason=reason, advice=meaning.advice, refunded=True)


def _type_of(job: luma.Generation) -> str | None:
    """Tell what the job makes; the request's echo is finer than the job's own type."""
    finer = (job.request or {}).get("generation_type")
    return finer if isinstance(finer, str) else job.generation_type


def _prompt_of(job: luma.Generation) -> str | None:
    prompt = (job.request or {}).get("prompt")
    return prompt if isinstance(prompt, str) and prompt else None


class Generation(Result):
    """A job at Luma and, once it is completed, what it made."""

    id: str
    api: Literal["dream_machine"] = "dream_machine"
    type: str | None = Field(description="video, image, upscale_video, add_audio, ...")
    state: str = Field(
        description="Luma's word: queued, dreaming, completed or failed; unknown if it gave none."
    )
    is_final: bool = Field(description="Whether the state will not change any more.")
    model: str | None
    created_at: str | None
    prompt: str | None
    assets: Assets | None = Field(description="Null until the job is completed.")
    failure: Failure | None
    next_step: str | None = Field(description="What to call next, if anything.")

    @classmethod
    def of(cls, job: luma.Generation) -> Self:
        """Read one of Luma's jobs; every member may be missing there."""
        state = job.state or "unknown"
        return cls(
            id=job.id or "unknown",
            type=_type_of(job),
            state=state,
            is_final=job.is_final,
            model=job.model,
            created_at=job.created_at,
            prompt=_prompt_of(job),
            assets=_assets(job.assets),
            failure=_failure(job),
            next_step=None if job.is_final or job.id is None else _follow(job),
        )

    def lines(self) -> list[str]:
        """Say what it is, how it stands and where the result is."""
        kind = _words(self.type or "generation")
        made_by = f" ({one_line(self.model)})" if self.model else ""
        lines = [f"{kind} {one_line(self.id)}{made_by}: {one_line(self.state)}"]
        if self.prompt:
            lines.append(f"Prompt: {_cut(self.prompt)}")
        if self.assets:
            lines += [f"{_words(name)}: {url}" for name, url in _present(self.assets)]
        if self.failure:
            lines += [f"Reason: {self.failure.reason}", self.failure.advice]
            if self.failure.refunded:
                lines.append("Luma gave the credits back.")
        if self.next_step:
            lines.append(self.next_step)
        return lines

    def links(self) -> list[ResourceLink]:
        """Link the video and the picture."""
        if self.assets is None:
            return []
        return [
            _link(self.id, name, url)
            for name, url in _present(self.assets)
            if name in LINKED and _is_web_address(url)
        ]


def _follow(job: luma.Generation) -> str:
    how = "The job goes on at Luma" if job.state else "Luma has not said yet how the job stands"
    return (
        f"{how}: call wait_for_generation with generation_id {job.id} for its result; do not "
        "create it again."
    )


def _present(assets: Assets) -> list[tuple[str, str]]:
    return [(name, url) for name, url in assets.model_dump().items() if url]


def _words(name: str) -> str:
    return one_line(name).replace("_", " ").capitalize()


def _cut(text: str) -> str:
    return one_line(text, MAX_PROMPT_LINE)


def _is_web_address(url: str) -> bool:
    """Tell whether clients can take it for a link; some drop the whole answer over a bad one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _link(generation_id: str, kind: str, url: str) -> ResourceLink:
    guessed, _ = mimetypes.guess_type(urlsplit(url).path)
    default = "video/mp4" if kind == "video" else "image/jpeg"
    return ResourceLink(
        type="resource_link",
        name=f"{kind}-{generation_id}",
        title=f"{kind.capitalize()} {generation_id}",
        uri=url,
        mime_type=guessed or default,
    )


class GenerationList(Result):
    """One page of the caller's generations, newest first."""

    generations: list[Generation]
    count: int = Field(description="How many are on this page.")
    limit: int
    offset: int
    has_more: bool
    next_offset: int | None = Field(description="The offset of the next page, if there is one.")

    @classmethod
    def of(cls, page: luma.GenerationList, limit: int, offset: int) -> Self:
        """Read one of Luma's pages; without `has_more`, a full page promises another."""
        found = [Generation.of(job) for job in page.generations]
        has_more = len(found) == limit if page.has_more is None else page.has_more
        return cls(
            generations=found,
            count=len(found),
            limit=limit,
            offset=offset,
            has_more=has_more,
            next_offset=offset + len(found) if has_more and found else None,
        )

    def lines(self) -> list[str]:
        """Say one line for each generation."""
        if not self.generations:
            elsewhere = self.offset or self.has_more
            return ["No generations on this page." if elsewhere else "No generations yet."]
        lines = [f"{count(self.count, 'generation')}, from number {self.offset + 1}:"]
        lines += [_row(generation) for generation in self.generations]
        if self.next_offset is not None:
            lines.append(f"There are more: call again with offset {self.next_offset}.")
        return lines


def _row(generation: Generation) -> str:
    parts = [generation.id, generation.type or "generation", generation.state]
    parts = [one_line(part) for part in parts]
    if generation.prompt:
        parts.append(f'"{_cut(generation.prompt)}"')
    if generation.assets:
        parts += [url for name, url in _present(generation.assets) if name in LINKED]
    return "- " + " · ".join(parts)


class Deletion(Result):
    """A generation is gone."""

    id: str
    deleted: Literal[True] = True

    def lines(self) -> list[str]:
        """Say that it is gone."""
        return [f"Generation {self.id} is deleted."]

"""What tools answer: data for programs, a few lines for people, links for clients."""

import base64
import mimetypes
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, Self
from urllib.parse import urlsplit

from mcp.types import ContentBlock, ImageContent, ResourceLink, TextContent
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from luma_mcp.luma import jobs
from luma_mcp.luma.apis import AGENTS, ApiName
from luma_mcp.luma.failures import FailureCode
from luma_mcp.wording import count, dollars, one_line

MAX_PROMPT_LINE = 200
MAX_LABEL = 40
MAX_LINK = 8192
PASSING = ("progress_video",)  # what nobody wants to open once the rest is there
# The links of the Agents API are presigned for 3,600 seconds (docs.agents.lumalabs.ai, "FAQ").
LINKS_EXPIRE = "The links work for an hour; get_generation gives fresh ones."
REPLAYED = "An earlier call with this idempotency_key made it; nothing was sent or charged again."
PREVIEW_COMES = (
    "A small preview picture comes with this answer. Do not describe it unless you can see it."
)
_REFUNDED = {
    True: "Luma gave the credits back.",
    False: "Luma did not give the credits back.",
    None: "Whether Luma gave the credits back is not known.",
}


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


class Layer(BaseModel):
    """One layer of a picture; whatever else Luma says of it is here too."""

    model_config = ConfigDict(extra="allow")

    url: str
    index: int | None = Field(default=None, description="0 is in front, the last behind.")
    label: str | None = None
    description: str | None = None


class OtherFile(BaseModel):
    """A further output."""

    model_config = ConfigDict(extra="allow")

    type: str | None = None
    url: str


class Assets(BaseModel):
    """Links to what was made."""

    video: str | None = Field(default=None, description="MP4 file.")
    image: str | None = Field(default=None, description="JPEG or PNG file.")
    progress_video: str | None = Field(
        default=None, description="A further link, which Luma does not explain."
    )
    layers: list[Layer] = Field(default=[], description="Transparent PNG files, front to back.")
    others: list[OtherFile] = Field(default=[], description="Further files, such as an EXR.")

    @classmethod
    def of(cls, assets: jobs.Assets | None) -> Self | None:
        """Read those of a job."""
        if assets is None:
            return None
        return cls(
            video=assets.video,
            image=assets.image,
            progress_video=assets.progress_video,
            layers=[Layer.model_validate(layer) for layer in assets.layers],
            others=[OtherFile.model_validate(other) for other in assets.others],
        )

    def named(self) -> list[tuple[str, str]]:
        """Name each link for people."""
        plain = ("video", "image", "progress_video")
        return [
            *((name, url) for name in plain if (url := getattr(self, name))),
            *((_layer_name(layer), layer.url) for layer in self.layers),
            *((one_line(other.type or "file", MAX_LABEL), other.url) for other in self.others),
        ]


class Failure(BaseModel):
    """Why a job failed."""

    code: FailureCode
    reason: str = Field(description="Luma's own words.")
    advice: str
    refunded: bool | None = Field(description="Null if Luma does not say.")

    @classmethod
    def of(cls, failure: jobs.Failure | None) -> Self | None:
        """Read that of a job."""
        return cls.model_validate(failure, from_attributes=True) if failure else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Generation(Result):
    """A job at Luma and, once it is completed, what it made."""

    id: str
    api: ApiName
    type: str | None = Field(description="video, image, upscale_video, video_edit, layering, ...")
    state: str = Field(
        description="Luma's word: queued, dreaming or processing, completed, failed; else unknown."
    )
    is_final: bool = Field(description="Whether the state will not change any more.")
    model: str | None
    created_at: str | None
    prompt: str | None
    assets: Assets | None = Field(description="Null until the job is completed.")
    failure: Failure | None
    estimated_cost_usd: float | None = Field(description="When created, if a price is known.")
    warnings: list[str] = Field(default=[], description="What may not work as asked.")
    replayed: bool = Field(default=False, description="Made by an earlier call.")
    next_step: str | None = Field(description="What to call next, if anything.")
    as_of: str = Field(description="When this was answered.")

    @classmethod
    def of(
        cls,
        job: jobs.Job,
        estimated_cost_usd: float | None = None,
        warnings: Sequence[str] = (),
        as_of: str | None = None,
    ) -> Self:
        """Read one of Luma's jobs; every member may be missing there."""
        return cls(
            id=job.id or "unknown",
            api=job.api,
            type=job.type,
            state=job.state or jobs.UNKNOWN_STATE,
            is_final=job.is_final,
            model=job.model,
            created_at=job.created_at,
            prompt=job.prompt,
            assets=Assets.of(job.assets),
            failure=Failure.of(job.failure),
            estimated_cost_usd=estimated_cost_usd,
            warnings=list(warnings),
            next_step=None if job.is_final or job.id is None else _follow(job),
            as_of=as_of or _now(),
        )

    def lines(self) -> list[str]:
        """Say what it is, how it stands and where the result is."""
        kind = _words(self.type or "generation")
        made_by = f" ({one_line(self.model)})" if self.model else ""
        lines = [f"{kind} {one_line(self.id)}{made_by}: {one_line(self.state)}"]
        if self.replayed:
            lines.append(REPLAYED)
        if self.prompt:
            lines.append(f"Prompt: {_cut(self.prompt)}")
        if self.assets:
            named = self.assets.named()
            lines += [f"{_words(name)}: {one_line(url, MAX_LINK)}" for name, url in named]
            if self.api == AGENTS.name:
                lines.append(LINKS_EXPIRE)
        if self.failure:
            lines += [f"Reason: {self.failure.reason}", self.failure.advice]
            lines.append(_REFUNDED[self.failure.refunded])
        if self.estimated_cost_usd is not None:
            lines.append(f"Estimated cost: about {dollars(self.estimated_cost_usd)}")
        lines += self.warnings
        if self.next_step:
            lines.append(self.next_step)
        return lines

    def links(self) -> list[ResourceLink]:
        """Link the video and the picture."""
        if self.assets is None:
            return []
        linked = [(name, url) for name, url in self.assets.named() if name not in PASSING]
        return [_link(self.id, name, url) for name, url in linked if _is_web_address(url)]


class Pictured(Generation):
    """A job with a small picture of its result, which is no part of the fields."""

    _preview: bytes = PrivateAttr()

    @classmethod
    def by(cls, generation: Generation, jpeg: bytes) -> Self:
        """Add the picture to an answer."""
        return cls.model_construct(**dict(generation), _preview=jpeg)

    def lines(self) -> list[str]:
        """Say that a picture comes, too."""
        return [*super().lines(), PREVIEW_COMES]

    def content(self) -> list[ContentBlock]:
        """Give the text, the links and the picture."""
        data = base64.b64encode(self._preview).decode()
        return [*super().content(), ImageContent(type="image", data=data, mime_type="image/jpeg")]


class Refreshed(Generation):
    """A job as one of our pages shows it."""

    poster: str | None = Field(default=None, description="A small JPEG picture as a data: URI.")

    def with_poster(self, jpeg: bytes | None) -> Self:
        """Add a small picture of the result."""
        if jpeg is not None:
            self.poster = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        return self


def _follow(job: jobs.Job) -> str:
    how = "The job goes on at Luma" if job.state else "Luma has not said yet how the job stands"
    return (
        f"{how}: call wait_for_generation with generation_id {job.id} for its result; do not "
        "create it again."
    )


def _layer_name(layer: Layer) -> str:
    label = f" ({one_line(layer.label, MAX_LABEL)})" if layer.label else ""
    return f"layer{'' if layer.index is None else f' {layer.index}'}{label}"


def _words(name: str) -> str:
    words = one_line(name).replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}"  # the rest as Luma writes it: labels have names


def _cut(text: str) -> str:
    return one_line(text, MAX_PROMPT_LINE)


def _is_web_address(url: str) -> bool:
    """Tell whether clients can take it for a link; some drop the whole answer over a bad one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_one_word = url.isprintable() and " " not in url
    return is_one_word and parts.scheme in {"http", "https"} and bool(parts.hostname)


def _link(generation_id: str, kind: str, url: str) -> ResourceLink:
    guessed, _ = mimetypes.guess_type(urlsplit(url).path)
    usual = {"video": "video/mp4", "image": "image/jpeg", "layer": "image/png"}
    return ResourceLink(
        type="resource_link",
        name=f"{kind}-{generation_id}",
        title=f"{_words(kind)} {generation_id}",
        uri=url,
        mime_type=guessed or usual.get(kind.partition(" ")[0]),
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
    def of(cls, page: jobs.JobList, limit: int, offset: int) -> Self:
        """Read one of Luma's pages; without `has_more`, a full page promises another."""
        now = _now()
        found = [Generation.of(job, as_of=now) for job in page.jobs]
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
        parts += [url for name, url in generation.assets.named() if name not in PASSING]
    return "- " + " · ".join(parts)


class Deletion(Result):
    """A generation is gone."""

    id: str
    deleted: Literal[True] = True

    def lines(self) -> list[str]:
        """Say that it is gone."""
        return [f"Generation {self.id} is deleted."]

"""What the two APIs have in common: reading an answer, and creating a job without losing it."""

from dataclasses import replace
from typing import Protocol, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from luma_mcp.errors import BadResponse
from luma_mcp.luma.jobs import Job
from luma_mcp.luma.sending import Call, Sender, may_exist
from luma_mcp.luma.transport import Answer

_Body = TypeVar("_Body", bound=BaseModel)


class _Generation(Protocol):
    """What either API says of a job."""

    @classmethod
    def model_validate_json(cls, json_data: bytes) -> "_Generation":
        """Read it."""
        ...

    def to_job(self) -> Job:
        """Give the job."""
        ...


def unpromised(answer: Answer) -> BadResponse:
    """Say that an answer is a success, but not the one that was promised."""
    return BadResponse(f"Luma's answer ({answer.status}) is not what its API promises.")


def read(model: type[_Body], answer: Answer) -> _Body:
    """Read an answer's body.

    Raises:
        BadResponse: It is not what the API promises.
    """
    try:
        return model.model_validate_json(answer.body)
    except ValidationError:
        raise unpromised(answer) from None


def read_nothing(answer: Answer) -> None:
    """See that a success is Luma's own: what stands between may answer 200 with a page of HTML.

    Raises:
        BadResponse: It is a page of something else.
    """
    if answer.body.strip():
        try:
            from_json(answer.body)
        except ValueError:
            raise unpromised(answer) from None


def about(job: Job, generation_id: str) -> Job:
    """See that an answer is about the job that was asked for, if it says which one it is about.

    Raises:
        BadResponse: It is about another one.
    """
    if job.id and job.id.lower() != generation_id:
        raise BadResponse("Luma's answer is about another generation than the one asked for.")
    return replace(job, id=generation_id)


async def create(sender: Sender, call: Call, auth: httpx.Auth, model: type[_Generation]) -> Job:
    """Send a paid request; whatever comes back, the id of the new job is not lost.

    Raises:
        LumaMcpError: In doubt it says that the job may exist, with its id if that came.
    """
    answer = await sender.send(call, auth)
    try:
        return _new_job(model, answer)
    except BadResponse as error:
        raise may_exist(error, call, answer.body, sender.api) from None


def _new_job(model: type[_Generation], answer: Answer) -> Job:
    try:
        job = model.model_validate_json(answer.body).to_job()
    except ValidationError:
        raise unpromised(answer) from None
    if not job.id:
        raise BadResponse("Luma's answer holds no id of the new job.")
    return job

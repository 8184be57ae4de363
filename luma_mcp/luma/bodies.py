"""What bodies of both APIs have in common: requests are strict, answers are lenient."""

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """Base of request bodies: unknown names are refused, unset members are not sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_json(self) -> bytes:
        """Write the body, without the members that were not set."""
        return self.model_dump_json(exclude_none=True).encode()


class Reply(BaseModel):
    """Base of answers: unknown members are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

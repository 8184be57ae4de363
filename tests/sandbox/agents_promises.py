"""What Luma promises of the Agents API: JSON Schemas for each endpoint and status.

Luma's SDK luma-agents 0.5.0 and the guide to error handling, in words of our own. Members that the
SDK marks as optional are always sent here.
"""

from tests.sandbox.promises import (
    COUNT,
    ERROR,
    MOMENT,
    NULL,
    TEXT,
    UUID,
    Schema,
    closed,
    listed,
    maybe,
)

CODES = {
    "content_moderated": "Generation output was flagged by our content moderation system.",
    "generation_failed": "Generation failed",
    "output_not_found": "Output artifacts not found",
    "budget_exhausted": "Insufficient credits to complete this generation.",
    "rate_limited": TEXT,
    "image_too_large": TEXT,
    "unsupported_format": TEXT,
    "corrupt_input": TEXT,
    "invalid_request": TEXT,
}
STATES = ("queued", "processing", "completed", "failed")
FILE_STATES = ("pending", "ready", "failed", "deleted")
_SIGNED = (
    r"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=\d{8}T\d{6}Z&X-Amz-Expires=%d"
    r"&X-Amz-SignedHeaders=host&X-Amz-Signature=[0-9a-f]{64}$"
)


def _link(name: str, seconds: int) -> Schema:
    return {"type": "string", "pattern": rf"^https?://[^\s?]+/{name}\?{_SIGNED % seconds}"}


def _output(kind: str, names: str, **more: Schema) -> Schema:
    return closed(
        {"type": {"const": kind}, "url": _link(rf"media/[\w-]+\.({names})", 3600), **more}
    )


_LAYER = closed(
    {
        "index": COUNT,
        "label": TEXT,
        "description": TEXT,
        "alpha_hint": {"enum": ["soft", "hard", "none"]},
        "bounds": closed({"x": COUNT, "y": COUNT, "width": COUNT, "height": COUNT}),
    }
)
_PICTURE = listed(_output("image", "png|jpg"), minItems=1, maxItems=1)
_CLIP = listed({"oneOf": [_output("video", "mp4"), _output("exr", "exr")]}, minItems=1, maxItems=2)
_STILL, _MOVING = {"enum": ["uni-1", "uni-1-max"]}, {"const": "ray-3.2"}
# By type, which models there are and what comes out.
TYPES: dict[str, tuple[Schema, Schema]] = {
    "image": (_STILL, _PICTURE),
    "image_edit": (_STILL, _PICTURE),
    "layering": (
        {"const": "uni-1"},
        listed(_output("image", "png", layer=_LAYER), minItems=2, maxItems=10),
    ),
    "video": (_MOVING, _CLIP),
    "video_edit": (_MOVING, _CLIP),
    "video_reframe": (_MOVING, _CLIP),
}


def _stage(state: str, output: Schema, code: Schema, reason: Schema) -> Schema:
    return {
        "properties": {
            "state": {"const": state},
            "output": output,
            "failure_code": code,
            "failure_reason": reason,
        }
    }


def _generation(kind: str, model: Schema, output: Schema) -> Schema:
    nothing = {"const": []}
    stages = [_stage(state, nothing, NULL, NULL) for state in ("queued", "processing")]
    stages.append(_stage("completed", output, NULL, NULL))
    for code, reason in CODES.items():
        said = {"const": reason} if isinstance(reason, str) else reason
        stages.append(_stage("failed", nothing, {"const": code}, said))
    whole = closed(
        {
            "id": UUID,
            "type": {"const": kind},
            "model": model,
            "state": {"enum": list(STATES)},
            "created_at": MOMENT,
            "output": {"type": "array"},
            "failure_reason": maybe(TEXT),
            "failure_code": maybe(TEXT),
        }
    )
    return {**whole, "oneOf": stages}


GENERATION = {"oneOf": [_generation(kind, *parts) for kind, parts in TYPES.items()]}
_FILE = {
    **closed(
        {
            "id": UUID,
            "created_at": MOMENT,
            "mime_type": TEXT,
            "purpose": {"enum": ["input", "reference"]},
            "size_bytes": COUNT,
            "state": {"enum": list(FILE_STATES)},
            "filename": maybe(TEXT),
            "user_id": maybe(TEXT),
            "expires_at": maybe(MOMENT),
            "deleted_at": maybe(MOMENT),
            "failure_reason": maybe(TEXT),
        }
    ),
    "oneOf": [
        {"properties": {"state": {"const": state}, "deleted_at": gone, "failure_reason": reason}}
        for state, gone, reason in (
            ("pending", NULL, NULL),
            ("ready", NULL, NULL),
            ("failed", NULL, TEXT),
            ("deleted", MOMENT, NULL),
        )
    ],
}
_UPLOAD = closed(
    {
        "url": _link(r"uploads/[\w-]+", 900),
        "method": {"const": "PUT"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "expires_at": MOMENT,
    }
)
_CREATED = closed(
    {"id": UUID, "state": {"const": "pending"}, "file": _FILE, "upload": maybe(_UPLOAD)}
)
_LAST = {"properties": {"has_more": {"const": False}, "next_cursor": NULL}}
_MORE = {"properties": {"has_more": {"const": True}, "next_cursor": TEXT}}
_PAGE = {
    **closed(
        {
            "data": listed(_FILE, maxItems=100),
            "has_more": {"type": "boolean"},
            "next_cursor": maybe(TEXT),
        }
    ),
    "oneOf": [_LAST, _MORE],
}
_KEY_REFUSED = {401: ERROR, 403: ERROR}

# (method, path) -> status -> schema; None stands for no body at all.
PROMISES: dict[tuple[str, str], dict[int, Schema | None]] = {
    ("POST", "/generations"): {
        201: GENERATION,
        **dict.fromkeys((400, 402, 413, 422, 429, 500, 502, 503), ERROR),
        **_KEY_REFUSED,
    },
    ("GET", "/generations/{id}"): {200: GENERATION, 404: ERROR, 502: ERROR, **_KEY_REFUSED},
    ("POST", "/files"): {
        201: _CREATED,
        **dict.fromkeys((400, 413, 422, 507), ERROR),
        **_KEY_REFUSED,
    },
    ("GET", "/files"): {200: _PAGE, 422: ERROR, **_KEY_REFUSED},
    ("GET", "/files/{id}"): {200: _FILE, 404: ERROR, **_KEY_REFUSED},
    ("POST", "/files/{id}/complete"): {200: _FILE, 404: ERROR, 409: ERROR, **_KEY_REFUSED},
    ("DELETE", "/files/{id}"): {204: None, 404: ERROR, **_KEY_REFUSED},
}

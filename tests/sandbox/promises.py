"""What Luma promises to answer: JSON Schemas for each endpoint and status.

Dream Machine OpenAPI 1.1.0 and docs.lumalabs.ai, in words of our own. Luma marks no member of a
generation as required; that the sandbox always sends all of them is its own promise, because
clients are to be tried with the fullest answers.
"""

from typing import Any

Schema = dict[str, Any]

TEXT = {"type": "string", "minLength": 1}
UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
ADDRESS = {"type": "string", "pattern": r"^https?://[^\s/]+(/\S*)?$"}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
COUNT = {"type": "integer", "minimum": 0}
NULL = {"type": "null"}
RATIO = {"enum": ["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"]}
PICTURE_MODEL = {"enum": ["photon-1", "photon-flash-1"]}
CLIP_MODEL = {"enum": ["ray-2", "ray-flash-2"]}
REASONS = [
    "Contains blacklisted words",
    "Failed to read user input frames",
    "Frame moderation failed",
    "Advanced prompt moderation failed",
    "Prompt processing failed",
    "Error dispatching job",
    "Job failed",
    "Error processing callback",
    "400: failed to moderate image",
]


def closed(required: Schema, **optional: Schema) -> Schema:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": [*required],
        "additionalProperties": False,
    }


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]}


def listed(items: Schema, **bounds: int) -> Schema:
    return {"type": "array", "items": items, **bounds}


MEDIA = closed({"url": ADDRESS})
WEIGHTED = closed(
    {}, url=maybe(ADDRESS), weight=maybe({"type": "number", "minimum": 0, "maximum": 1})
)
FRAME = {
    "oneOf": [
        closed({"type": {"const": "image"}, "url": ADDRESS}),
        closed({"type": {"const": "generation"}, "id": UUID}),
    ]
}
PLACEMENT = {
    f"{name}": maybe({"type": "integer"})
    for name in (
        "grid_position_x",
        "grid_position_y",
        "x_start",
        "x_end",
        "y_start",
        "y_end",
        "resized_width",
        "resized_height",
    )
}
CALLED = {"callback_url": maybe(ADDRESS)}
FORMAT = {"enum": ["jpg", "png"]}
MODES = [f"{family}_{digit}" for family in ("adhere", "flex", "reimagine") for digit in "123"]

# The echo of the accepted body: one of seven shapes, told apart by generation_type.
REQUESTS = {
    "video": closed(
        {
            "model": {"enum": ["ray-1-6", "ray-2", "ray-flash-2"]},
            "prompt": maybe({"type": "string", "minLength": 3, "maxLength": 5000}),
            "aspect_ratio": RATIO,
            "loop": maybe({"type": "boolean"}),
            "keyframes": maybe(closed({}, frame0=maybe(FRAME), frame1=maybe(FRAME))),
            "resolution": maybe(TEXT),
            "duration": maybe(TEXT),
            "concepts": maybe(listed(closed({"key": TEXT}))),
            "generation_type": {"const": "video"},
            **CALLED,
        }
    ),
    "image": closed(
        {
            "model": PICTURE_MODEL,
            "prompt": {"type": "string", "minLength": 3, "maxLength": 5000},
            "aspect_ratio": RATIO,
            "format": FORMAT,
            "image_ref": maybe(listed(WEIGHTED, maxItems=4)),
            "style_ref": maybe(listed(WEIGHTED)),
            "character_ref": maybe(
                closed({"identity0": closed({"images": listed(ADDRESS, minItems=1, maxItems=4)})})
            ),
            "modify_image_ref": maybe(WEIGHTED),
            "sync": {"type": "boolean"},
            "sync_timeout": {"type": "number"},
            "generation_type": {"const": "image"},
            **CALLED,
        }
    ),
    "reframe_image": closed(
        {
            "media": MEDIA,
            "aspect_ratio": RATIO,
            "model": PICTURE_MODEL,
            "prompt": {"type": "string"},
            "format": FORMAT,
            "generation_type": {"const": "reframe_image"},
            **PLACEMENT,
            **CALLED,
        }
    ),
    "reframe_video": closed(
        {
            "media": MEDIA,
            "aspect_ratio": RATIO,
            "model": CLIP_MODEL,
            "prompt": {"type": "string"},
            "first_frame": maybe(MEDIA),
            "generation_type": {"const": "reframe_video"},
            **PLACEMENT,
            **CALLED,
        }
    ),
    "modify_video": closed(
        {
            "media": MEDIA,
            "model": CLIP_MODEL,
            "mode": {"enum": MODES},
            "prompt": maybe({"type": "string"}),
            "first_frame": maybe(MEDIA),
            "generation_type": {"const": "modify_video"},
            **CALLED,
        }
    ),
    "upscale_video": closed(
        {"resolution": maybe(TEXT), "generation_type": {"const": "upscale_video"}, **CALLED}
    ),
    "add_audio": closed(
        {
            "prompt": maybe({"type": "string"}),
            "negative_prompt": maybe({"type": "string"}),
            "generation_type": {"const": "add_audio"},
            **CALLED,
        }
    ),
}


def _only(kind: str) -> Schema:
    """The assets of a completed job: a link of its kind."""
    links = {name: ADDRESS if name == kind else NULL for name in ("video", "image")}
    return closed({**links, "progress_video": maybe(ADDRESS)})


def generation(*types: str, states: tuple[str, ...] = ()) -> Schema:
    """A generation whose request is of one of these types, and which is in one of these states."""
    kinds = {"image" if "image" in one else "video" for one in types}
    unfinished = {"state": {"enum": ["queued", "dreaming"]}, "assets": NULL, "failure_reason": NULL}
    stages: list[Schema] = [
        unfinished,
        {"state": {"const": "failed"}, "assets": NULL, "failure_reason": {"enum": REASONS}},
    ]
    stages += [
        {
            "state": {"const": "completed"},
            "assets": _only(kind),
            "failure_reason": NULL,
            "generation_type": {"const": kind},
        }
        for kind in sorted(kinds)
    ]
    whole = closed(
        {
            "id": UUID,
            "generation_type": {"enum": sorted(kinds)},
            "state": {"enum": list(states or STATES)},
            "failure_reason": maybe(TEXT),
            "created_at": MOMENT,
            "assets": maybe({"type": "object"}),
            "model": TEXT,
            "request": {"oneOf": [REQUESTS[one] for one in types]},
        }
    )
    return {**whole, "oneOf": [{"properties": stage} for stage in stages]}


STATES = ("queued", "dreaming", "completed", "failed")
ANY_GENERATION = generation(*REQUESTS)
CALLBACK = generation(*REQUESTS, states=("dreaming", "completed", "failed"))
ERROR = closed({"detail": TEXT})
PAGE = closed(
    {
        "generations": listed(ANY_GENERATION, maxItems=100),
        "has_more": {"type": "boolean"},
        "count": COUNT,
        "limit": COUNT,
        "offset": COUNT,
    }
)
WORDS = listed(TEXT, minItems=1, uniqueItems=True)

_KEY_REFUSED = {401: ERROR, 403: ERROR}
_CREATION_REFUSED = dict.fromkeys((400, 401, 402, 403, 413, 422, 429, 500, 503), ERROR)
_JOB = "/generations/{id}"


def _creation(status: int, *types: str) -> dict[int, Schema | None]:
    # A new job waits, unless a picture was asked for with `sync`.
    return {status: generation(*types), **_CREATION_REFUSED}


# (method, path) -> status -> schema; None stands for no body at all.
PROMISES: dict[tuple[str, str], dict[int, Schema | None]] = {
    ("GET", "/ping"): {200: closed({"message": {"const": "pong"}}), **_KEY_REFUSED},
    ("GET", "/credits"): {200: closed({"credit_balance": {"type": "number"}}), **_KEY_REFUSED},
    ("GET", "/generations/concepts/list"): {200: WORDS, **_KEY_REFUSED},
    ("GET", "/generations/camera_motion/list"): {200: WORDS, **_KEY_REFUSED},
    ("GET", "/generations"): {200: PAGE, 400: ERROR, **_KEY_REFUSED},
    ("GET", _JOB): {200: ANY_GENERATION, 404: ERROR, 503: ERROR, **_KEY_REFUSED},
    ("DELETE", _JOB): {204: None, 404: ERROR, **_KEY_REFUSED},
    ("POST", "/generations"): _creation(201, "video"),
    ("POST", "/generations/video"): _creation(201, "video"),
    ("POST", "/generations/image"): _creation(201, "image"),
    ("POST", "/generations/image/reframe"): _creation(201, "reframe_image"),
    ("POST", "/generations/video/reframe"): _creation(201, "reframe_video"),
    ("POST", "/generations/video/modify"): _creation(201, "modify_video"),
    ("POST", f"{_JOB}/upscale"): {
        200: generation("upscale_video"),
        **dict.fromkeys((400, 401, 402, 403, 404, 413, 429), ERROR),
    },
    ("POST", f"{_JOB}/audio"): {
        200: generation("add_audio"),
        404: ERROR,
        **_CREATION_REFUSED,
    },
}

"""Every model: what it can do, which parameters it knows, their limits and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from luma_mcp.errors import InvalidRequest
from luma_mcp.luma import (
    agents_limits,
    agents_models,
    dream_machine_models,
    dream_machine_rules,
)
from luma_mcp.luma.apis import AGENTS, APIS, DREAM_MACHINE, Api, ApiName
from luma_mcp.luma.prices import (
    PIXELS,
    Estimate,
    PerClip,
    PerImage,
    PerMegapixel,
    PerSecond,
    PerSource,
    Price,
    UnknownPrice,
)
from luma_mcp.wording import did_you_mean, listed

Operation = Literal[
    "create_generation",
    "modify_video",
    "reframe_video",
    "upscale_generation",
    "add_audio",
    "generate_image",
    "reframe_image",
    "edit_image",
    "extract_layers",
]
Values = tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one model does in one operation.

    Attributes:
        parameters: Those of the tool that it knows, with their values where they are enumerated.
        limits: The bounds of what is given, by what is bounded and its unit.
        price: What a job costs.
    """

    parameters: Mapping[str, Values]
    limits: Mapping[str, int] = field(default_factory=dict)
    price: Price

    def describe(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {
            "parameters": {name: one and list(one) for name, one in self.parameters.items()},
            "limits": dict(self.limits),
            "price": self.price.describe(),
        }


@dataclass(frozen=True, kw_only=True)
class Model:
    """One of Luma's models, by the name that Luma gives it."""

    name: str
    api: Api
    summary: str
    uses: Mapping[Operation, Use]

    def describe(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {
            "name": self.name,
            "api": self.api.name,
            "summary": self.summary,
            "uses": {operation: use.describe() for operation, use in self.uses.items()},
        }


_RATIOS = get_args(dream_machine_models.AspectRatio)
_MODES = get_args(dream_machine_models.ModifyMode)
_RAY_3_RATIOS = get_args(agents_models.VideoRatio)
_RAY_3_RESOLUTIONS = get_args(agents_models.VideoResolution)
_UNI_RATIOS = get_args(agents_models.ImageRatio)
_UNI_STYLES = get_args(agents_models.Style)
_FORMATS = ("jpg", "jpeg", "png")  # the first two mean the same: each API has its own word for it

_DREAM_MACHINE_PROMPT = {
    "prompt_min": dream_machine_rules.MIN_PROMPT,
    "prompt_max": dream_machine_rules.MAX_PROMPT,
}
_AGENTS_PROMPT = {"prompt_min": agents_limits.MIN_PROMPT, "prompt_max": agents_limits.MAX_PROMPT}


def _any(*names: str) -> dict[str, Values]:
    """Name parameters that take any value of their type."""
    return dict.fromkeys(names)


_PLACEMENT = _any(
    "grid_position_x",
    "grid_position_y",
    "x_start",
    "x_end",
    "y_start",
    "y_end",
    "resized_width",
    "resized_height",
)
# Never sent to Luma: by these the caller says what a job would be charged for.
_SOURCE_SIZE = {"source_seconds": None, "source_resolution": tuple(PIXELS)}


def _ray_2_create(price: Price) -> Use:
    return Use(
        parameters={
            "prompt": None,
            "aspect_ratio": _RATIOS,
            "resolution": get_args(dream_machine_models.Resolution),
            "duration": get_args(dream_machine_models.Duration),
            **_any("loop", "keyframes", "concepts", "callback_url"),
        },
        limits=_DREAM_MACHINE_PROMPT,
        price=price,
    )


def _ray_2_from_source(
    parameters: Mapping[str, Values], seconds: int, usd_per_megapixel: float
) -> Use:
    return Use(
        parameters={
            "media_url": None,
            **parameters,
            **_any("prompt", "first_frame_url"),
            **_SOURCE_SIZE,
            "callback_url": None,
        },
        limits={
            **_DREAM_MACHINE_PROMPT,
            "source_seconds_max": seconds,
            "source_megabytes_max": 100,
        },
        price=PerMegapixel(usd_per_megapixel),
    )


def _ray_2_modify(seconds: int, usd_per_megapixel: float) -> Use:
    """Source: docs.lumalabs.ai, "Modify video"."""
    return _ray_2_from_source({"mode": _MODES}, seconds, usd_per_megapixel)


def _ray_2_reframe(seconds: int, usd_per_megapixel: float) -> Use:
    """Source: docs.lumalabs.ai, "Reframe": it costs what the model costs.

    The rates are those that the list prices of clips follow.
    """
    parameters = {"aspect_ratio": _RATIOS, **_PLACEMENT}
    return _ray_2_from_source(parameters, seconds, usd_per_megapixel)


def _photon(usd: float) -> dict[Operation, Use]:
    """Source: docs.lumalabs.ai, "Image generation" and "Reframe"; Luma's page on Photon."""
    price = PerImage(usd)
    create = Use(
        parameters={
            "prompt": None,
            "aspect_ratio": _RATIOS,
            "format": _FORMATS,
            **_any("image_ref", "style_ref", "character_ref", "modify_image_ref", "callback_url"),
        },
        limits={**_DREAM_MACHINE_PROMPT, "image_ref_max": 4},
        price=price,
    )
    reframe = Use(
        parameters={
            "media_url": None,
            "aspect_ratio": _RATIOS,
            "prompt": None,
            "format": _FORMATS,
            **_PLACEMENT,
            "callback_url": None,
        },
        limits={**_DREAM_MACHINE_PROMPT, "source_megabytes_max": 10},
        price=price,
    )
    return {"generate_image": create, "reframe_image": reframe}


def _uni(usd: float, usd_of_edit: float) -> dict[Operation, Use]:
    """Source: docs.agents.lumalabs.ai, "Image generation", "Image editing" and "Pricing".

    The price list gives the text-only picture, the edit, and both with n references. That each
    reference costs the same, the first as well, and that the source of an edit is in the price
    of the edit, is read from those figures.
    """
    usd_per_reference = 0.003
    create = Use(
        parameters={
            "prompt": None,
            "aspect_ratio": _UNI_RATIOS,
            "format": _FORMATS,
            "image_ref": None,
            "style": _UNI_STYLES,
            "web_search": None,
        },
        limits={
            **_AGENTS_PROMPT,
            "image_ref_max": agents_limits.MAX_IMAGE_REFERENCES,
            "image_megabytes_max": agents_limits.MAX_IMAGE_MEGABYTES,
        },
        price=PerImage(usd, usd_per_reference),
    )
    edit = Use(
        parameters={
            **_any("prompt", "source", "image_ref"),
            "format": _FORMATS,
            "style": _UNI_STYLES,
            "web_search": None,
        },
        limits={
            **_AGENTS_PROMPT,
            "image_ref_max": agents_limits.MAX_EDIT_REFERENCES,
            "image_megabytes_max": agents_limits.MAX_IMAGE_MEGABYTES,
        },
        price=PerImage(usd_of_edit, usd_per_reference),
    )
    return {"generate_image": create, "edit_image": edit}


_LAYERS = Use(
    parameters={
        "source": None,
        "prompt": None,
        "resolution": get_args(agents_models.LayerResolution),
    },
    limits={
        "prompt_max": agents_limits.MAX_LAYERING_PROMPT,
        "image_megabytes_max": agents_limits.MAX_IMAGE_MEGABYTES,
    },
    price=UnknownPrice("layers"),
)

# Source: docs.agents.lumalabs.ai, "Videos" and "Pricing". What others charge for edits in HDR is
# known, what Luma charges is not. To extend a clip costs what the block of 5 s costs.
_RAY_3_CREATE = Use(
    parameters={
        "prompt": None,
        "aspect_ratio": _RAY_3_RATIOS,
        "resolution": _RAY_3_RESOLUTIONS,
        "duration": get_args(agents_models.VideoDuration),
        **_any("loop", "hdr", "exr_export", "keyframes", "indexed_keyframes"),
    },
    limits={**_AGENTS_PROMPT, "keyframes_max": agents_limits.MAX_KEYFRAMES},
    price=PerClip(
        usd={
            "5s": {"540p": 0.15, "720p": 0.30, "1080p": 1.20},
            "10s": {"540p": 0.45, "720p": 0.90, "1080p": 3.60},
            "5s HDR": {"720p": 0.60, "1080p": 2.40},
            "5s HDR+EXR": {"720p": 0.90, "1080p": 3.60},
        }
    ),
)
_RAY_3_EDIT = Use(
    parameters={
        **_any("media_url", "generation_id", "file_id"),
        "mode": _MODES,
        **_any("prompt", "first_frame_url", "auto_controls", "controls", "indexed_keyframes"),
        "resolution": _RAY_3_RESOLUTIONS,
        **_any("hdr", "exr_export"),
        **_SOURCE_SIZE,
    },
    limits={
        **_AGENTS_PROMPT,
        "keyframes_max": agents_limits.MAX_KEYFRAMES,
        "source_seconds_max": agents_limits.MAX_EDIT_SECONDS,
        "source_megabytes_max": agents_limits.MAX_VIDEO_MEGABYTES,
    },
    price=PerSource(
        {
            5: {"540p": 0.72, "720p": 1.08, "1080p": 2.16},
            10: {"540p": 1.44, "720p": 2.16, "1080p": 4.32},
        }
    ),
)
_RAY_3_REFRAME = Use(
    parameters={
        **_any("media_url", "generation_id", "file_id"),
        "aspect_ratio": _RAY_3_RATIOS,
        "prompt": None,
        "resolution": _RAY_3_RESOLUTIONS,
        "source_position": None,
        **_SOURCE_SIZE,
    },
    limits={
        **_AGENTS_PROMPT,
        "source_seconds_max": agents_limits.MAX_REFRAME_SECONDS,
        "source_megabytes_max": agents_limits.MAX_VIDEO_MEGABYTES,
    },
    price=PerSecond({"540p": 0.06, "720p": 0.12, "1080p": 0.36}),
)

_AFTERWARDS: Mapping[Operation, Use] = {
    "upscale_generation": Use(
        parameters={
            "generation_id": None,
            "resolution": ("720p", "1080p", "4k"),
            "callback_url": None,
        },
        price=UnknownPrice("upscaling"),
    ),
    "add_audio": Use(
        parameters=_any("generation_id", "prompt", "negative_prompt", "callback_url"),
        limits=_DREAM_MACHINE_PROMPT,
        price=UnknownPrice("adding sound"),
    ),
}

# Source of the clips' prices: the list of lumalabs.ai/api/pricing in 2025, of which two editions
# are known; where one figure has two readings, the higher is taken.
_RAY_2 = Model(
    name="ray-2",
    api=DREAM_MACHINE,
    summary="Videos up to 4k, with concepts; looks better than ray-flash-2.",
    uses={
        "create_generation": _ray_2_create(
            PerClip(
                usd={
                    "5s": {"540p": 0.40, "720p": 0.71, "1080p": 1.59, "4k": 6.37},
                    "9s": {"540p": 0.72, "720p": 1.28, "1080p": 2.87, "4k": 11.47},
                },
                ratio="16:9",
                publishes_defaults=False,
                remarks={"1080p": "Another edition of the list says 2.30 for 5s and 4.14 for 9s."},
            )
        ),
        "modify_video": _ray_2_modify(10, 0.01582),
        "reframe_video": _ray_2_reframe(10, 0.0064),
        **_AFTERWARDS,
    },
)
_RAY_FLASH_2 = Model(
    name="ray-flash-2",
    api=DREAM_MACHINE,
    summary="Videos up to 4k, with concepts; faster than ray-2, at a third of the price.",
    uses={
        "create_generation": _ray_2_create(
            PerClip(
                usd={
                    "5s": {"540p": 0.14, "720p": 0.24, "1080p": 0.55, "4k": 2.19},
                    "9s": {"540p": 0.25, "720p": 0.43, "1080p": 0.99, "4k": 3.95},
                },
                ratio="16:9",
                publishes_defaults=False,
            )
        ),
        "modify_video": _ray_2_modify(15, 0.00544),
        "reframe_video": _ray_2_reframe(30, 0.0022),
        **_AFTERWARDS,
    },
)
_RAY_3 = Model(
    name="ray-3.2",
    api=AGENTS,
    summary="Luma's newest video model: HDR, frames at any moment, edits with controls.",
    uses={
        "create_generation": _RAY_3_CREATE,
        "modify_video": _RAY_3_EDIT,
        "reframe_video": _RAY_3_REFRAME,
    },
)
_PHOTON = Model(
    name="photon-1",
    api=DREAM_MACHINE,
    summary="Pictures with references for content, style and persons.",
    uses=_photon(0.015),
)
_PHOTON_FLASH = Model(
    name="photon-flash-1",
    api=DREAM_MACHINE,
    summary="The same as photon-1, faster, at a quarter of the price.",
    # A changelog says 0.002, the product's page 0.004: the higher is taken.
    uses=_photon(0.004),
)
_UNI = Model(
    name="uni-1",
    api=AGENTS,
    summary="Pictures, edits and layers; reads long prompts and can look things up on the web.",
    uses={**_uni(0.0404, 0.0434), "extract_layers": _LAYERS},
)
_UNI_MAX = Model(
    name="uni-1-max",
    api=AGENTS,
    summary="The same as uni-1 without layers; looks better, at more than twice the price.",
    uses=_uni(0.1000, 0.1030),
)
MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (_RAY_2, _RAY_FLASH_2, _RAY_3, _PHOTON, _PHOTON_FLASH, _UNI, _UNI_MAX)
}
# Done with any clip of the Dream Machine API, whatever made it: these tools take no model.
_WITHOUT_MODEL = frozenset(_AFTERWARDS)


def models_for(operation: Operation, api: ApiName | None = None) -> list[str]:
    """Name the models that can do it, of one API if one is named."""
    return [
        name
        for name, model in MODELS.items()
        if operation in model.uses and api in {None, model.api.name}
    ]


def api_of(model: str) -> Api:
    """Tell whose model it is.

    Raises:
        InvalidRequest: There is no such model.
    """
    if model not in MODELS:
        raise InvalidRequest(
            f"There is no such model.{did_you_mean(model, MODELS)}",
            advice=f"Choose {listed(MODELS, 'or')}.",
        )
    return MODELS[model].api


def estimate(operation: Operation, model: str | None, given: Mapping[str, object]) -> Estimate:
    """Tell what a job would cost.

    Args:
        operation: The tool.
        model: None for a tool that takes none.
        given: The tool's parameters that were given, by name; source_seconds and
            source_resolution are what the caller says of the source.

    Raises:
        InvalidRequest: The model cannot do it at all.
    """
    return use_of(operation, model).price.estimate(given)


def describe() -> dict[str, Any]:
    """Give all of it as plain JSON."""
    return {
        "legend": "Prices are Luma's list prices in US dollars, without guarantee; null where none "
        "is known. A parameter with null takes any value of its type.",
        "apis": {
            api.name: {
                "title": api.title,
                "keys_are_made_at": api.keys_page,
                "header_of_the_key": api.key_header,
            }
            for api in APIS
        },
        "models": [model.describe() for model in MODELS.values()],
    }


def use_of(operation: Operation, model: str | None) -> Use:
    """Give what a model does in an operation; without a model, in one that takes none.

    Raises:
        InvalidRequest: It cannot do it; says which ones can.
    """
    able = models_for(operation)
    if model is None and operation in _WITHOUT_MODEL:
        model = able[0]
    if model not in able:
        whose = f"{model} cannot do {operation}" if model else f"{operation} needs a model"
        raise InvalidRequest(
            f"{whose}; {listed(able)} can do it.", advice=f"Choose {listed(able, 'or')}."
        )
    return MODELS[model].uses[operation]

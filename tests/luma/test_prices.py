"""What a job costs: every figure that Luma publishes, and what cannot be told."""

from dataclasses import dataclass

import pytest

from luma_mcp.luma.catalogue import MODELS, Operation, estimate
from luma_mcp.luma.prices import Estimate

# From the price list of the Dream Machine API, by model, duration and resolution, in 16:9.
CLIPS_OF_RAY_2 = [
    ("ray-2", "5s", "540p", 0.40),
    ("ray-2", "5s", "720p", 0.71),
    ("ray-2", "5s", "1080p", 1.59),
    ("ray-2", "5s", "4k", 6.37),
    ("ray-2", "9s", "540p", 0.72),
    ("ray-2", "9s", "720p", 1.28),
    ("ray-2", "9s", "1080p", 2.87),
    ("ray-2", "9s", "4k", 11.47),
    ("ray-flash-2", "5s", "540p", 0.14),
    ("ray-flash-2", "5s", "720p", 0.24),
    ("ray-flash-2", "5s", "1080p", 0.55),
    ("ray-flash-2", "5s", "4k", 2.19),
    ("ray-flash-2", "9s", "540p", 0.25),
    ("ray-flash-2", "9s", "720p", 0.43),
    ("ray-flash-2", "9s", "1080p", 0.99),
    ("ray-flash-2", "9s", "4k", 3.95),
]
HDR, EXR = {"hdr": True}, {"hdr": True, "exr_export": True}
# From the price list of the Agents API: what is asked for, and the price by resolution.
CLIPS_OF_RAY_3 = [
    ({"duration": "5s"}, "540p", 0.15),
    ({"duration": "5s"}, "720p", 0.30),
    ({"duration": "5s"}, "1080p", 1.20),
    ({"duration": "10s"}, "540p", 0.45),
    ({"duration": "10s"}, "720p", 0.90),
    ({"duration": "10s"}, "1080p", 3.60),
    (HDR, "720p", 0.60),
    (HDR, "1080p", 2.40),
    (EXR, "720p", 0.90),
    (EXR, "1080p", 3.60),
]
EDITS_OF_RAY_3 = [
    (5, "540p", 0.72),
    (5, "720p", 1.08),
    (5, "1080p", 2.16),
    (10, "540p", 1.44),
    (10, "720p", 2.16),
    (10, "1080p", 4.32),
]
# Seconds of the source, resolution, price: each second that has begun counts.
REFRAMES_OF_RAY_3 = [
    (1, "540p", 0.06),
    (1, "720p", 0.12),
    (1, "1080p", 0.36),
    (4.1, "540p", 0.30),
    (5, "720p", 0.60),
    (5.01, "720p", 0.72),
    (30, "1080p", 10.80),
]
# Model, number of references, price.
PICTURES = [
    ("photon-1", 0, 0.015),
    ("photon-1", 4, 0.015),
    ("photon-flash-1", 0, 0.004),
    ("uni-1", 0, 0.0404),
    ("uni-1", 1, 0.0434),
    ("uni-1", 2, 0.0464),
    ("uni-1", 9, 0.0674),
    ("uni-1-max", 0, 0.1000),
    ("uni-1-max", 1, 0.1030),
    ("uni-1-max", 9, 0.1270),
]
EDITED_PICTURES = [
    ("uni-1", 0, 0.0434),
    ("uni-1", 8, 0.0674),
    ("uni-1-max", 0, 0.1030),
    ("uni-1-max", 8, 0.1270),
]
EARLIER_CLIP = {"type": "generation", "id": "agents:123e4567-e89b-12d3-a456-426614174000"}
PICTURE = {"type": "image", "url": "https://example.com/a.png"}


@dataclass
class Keyframe:
    type: str


@dataclass
class Keyframes:
    frame0: Keyframe | None = None
    frame1: Keyframe | None = None


def usd(operation: Operation, model: str, **given: object) -> float | None:
    return estimate(operation, model, given).usd


@pytest.mark.parametrize(("model", "duration", "resolution", "price"), CLIPS_OF_RAY_2)
def test_a_clip_of_ray_2_costs_what_luma_lists(
    model: str, duration: str, resolution: str, price: float
) -> None:
    given = {"duration": duration, "resolution": resolution, "aspect_ratio": "16:9"}
    assert usd("create_generation", model, **given) == price


@pytest.mark.parametrize(("given", "resolution", "price"), CLIPS_OF_RAY_3)
def test_a_clip_of_ray_3_2_costs_what_luma_lists(
    given: dict[str, object], resolution: str, price: float
) -> None:
    assert usd("create_generation", "ray-3.2", resolution=resolution, **given) == price


@pytest.mark.parametrize(("resolution", "price"), [("540p", 0.15), ("720p", 0.30), ("1080p", 1.20)])
def test_to_extend_a_clip_costs_its_block_of_five_seconds(resolution: str, price: float) -> None:
    given = {"resolution": resolution, "keyframes": {"frame0": EARLIER_CLIP}}
    assert usd("create_generation", "ray-3.2", **given) == price


@pytest.mark.parametrize(("seconds", "resolution", "price"), EDITS_OF_RAY_3)
def test_an_edit_of_ray_3_2_costs_what_luma_lists(
    seconds: float, resolution: str, price: float
) -> None:
    given = {"source_seconds": seconds, "resolution": resolution}
    assert usd("modify_video", "ray-3.2", **given) == price


@pytest.mark.parametrize(("seconds", "resolution", "price"), REFRAMES_OF_RAY_3)
def test_a_reframe_of_ray_3_2_costs_each_started_second(
    seconds: float, resolution: str, price: float
) -> None:
    given = {"source_seconds": seconds, "resolution": resolution}
    assert usd("reframe_video", "ray-3.2", **given) == price


@pytest.mark.parametrize(("model", "price"), [("ray-2", 1.75), ("ray-flash-2", 0.60)])
def test_to_modify_five_seconds_at_720p_costs_what_luma_says(model: str, price: float) -> None:
    given = {"source_seconds": 5, "source_resolution": "720p"}
    assert usd("modify_video", model, **given) == price


@pytest.mark.parametrize(
    ("model", "resolution", "price"),
    [("ray-2", "720p", 0.71), ("ray-2", "4k", 6.37), ("ray-flash-2", "4k", 2.19)],
)
def test_to_reframe_a_clip_costs_what_its_model_makes_one_for(
    model: str, resolution: str, price: float
) -> None:
    given = {"source_seconds": 5.0, "source_resolution": resolution}
    assert usd("reframe_video", model, **given) == price


@pytest.mark.parametrize(("model", "references", "price"), PICTURES)
def test_a_picture_costs_what_luma_lists(model: str, references: int, price: float) -> None:
    given = {"image_ref": [PICTURE] * references} if references else {}
    assert usd("generate_image", model, **given) == price


@pytest.mark.parametrize(("model", "references", "price"), EDITED_PICTURES)
def test_an_edit_costs_the_same_for_its_source_and_more_for_each_reference(
    model: str, references: int, price: float
) -> None:
    given = {"source": PICTURE, "image_ref": [PICTURE] * references}
    assert usd("edit_image", model, **given) == price


@pytest.mark.parametrize(("model", "price"), [("photon-1", 0.015), ("photon-flash-1", 0.004)])
def test_to_reframe_a_picture_costs_what_its_model_makes_one_for(model: str, price: float) -> None:
    assert usd("reframe_image", model, aspect_ratio="1:1") == price


@pytest.mark.parametrize("model", ["ray-2", "ray-flash-2"])
@pytest.mark.parametrize("operation", ["modify_video", "reframe_video"])
def test_no_clip_is_for_nothing(operation: Operation, model: str) -> None:
    assert usd(operation, model, source_seconds=0.01, source_resolution="540p") == 0.01


@pytest.mark.parametrize(
    ("operation", "model", "given", "why"),
    [
        ("create_generation", "ray-3.2", {"resolution": "360p"}, "a clip of 5s at 360p"),
        ("create_generation", "ray-3.2", {"resolution": "540p", **HDR}, "5s HDR at 540p"),
        ("create_generation", "ray-3.2", {"duration": "10s", **HDR}, "10s HDR at 720p"),
        ("create_generation", "ray-3.2", {"duration": "10s", **EXR}, "10s HDR+EXR at 720p"),
        ("create_generation", "ray-3.2", {"indexed_keyframes": [PICTURE], **HDR}, "keyframes"),
        ("create_generation", "ray-3.2", {"keyframes": {"frame1": EARLIER_CLIP}, **HDR}, "go on"),
        (
            "create_generation",
            "ray-3.2",
            {"keyframes": Keyframes(frame0=Keyframe("generation")), **HDR},
            "go on",
        ),
        ("modify_video", "ray-3.2", {"source_seconds": 5, **HDR}, "edits in HDR"),
        ("modify_video", "ray-3.2", {"source_seconds": 10, **EXR}, "edits in HDR"),
        ("modify_video", "ray-3.2", {"source_seconds": 5, "resolution": "360p"}, "360p"),
        ("modify_video", "ray-3.2", {"source_seconds": 7.5}, "5 s (1.08 USD), 10 s (2.16 USD)."),
        ("modify_video", "ray-3.2", {}, "10 s (2.16 USD); give source_seconds."),
        ("modify_video", "ray-2", {}, "0.01582 USD a megapixel"),
        ("modify_video", "ray-flash-2", {"source_seconds": 5}, "0.00544 USD a megapixel"),
        ("reframe_video", "ray-2", {"source_resolution": "720p"}, "give source_seconds"),
        ("reframe_video", "ray-3.2", {}, "0.12 USD a started second of the source at 720p"),
        ("reframe_video", "ray-3.2", {"source_seconds": 5, "resolution": "360p"}, "360p"),
        ("generate_image", "uni-1", {"web_search": True}, "web_search; without it: 0.0404 USD"),
        ("edit_image", "uni-1-max", {"web_search": True}, "web_search; without it: 0.103 USD"),
        ("extract_layers", "uni-1", {"resolution": "2k"}, "layers"),
        ("upscale_generation", None, {"resolution": "4k"}, "upscaling"),
        ("add_audio", None, {}, "adding sound"),
    ],
)
def test_what_cannot_be_told_is_not_guessed(
    operation: Operation, model: str | None, given: dict[str, object], why: str
) -> None:
    told = estimate(operation, model, given)
    assert told.usd is None
    assert told.assumes == {}
    assert why in told.basis


@pytest.mark.parametrize("keyframes", [{"frame0": PICTURE}, Keyframes(Keyframe("image"))])
def test_an_hdr_clip_that_starts_from_a_picture_costs_what_any_does(keyframes: object) -> None:
    assert usd("create_generation", "ray-3.2", keyframes=keyframes, **HDR) == 0.60


@pytest.mark.parametrize(
    ("given", "assumed"),
    [
        ({}, {"resolution": "720p", "duration": "5s"}),
        ({"resolution": "720p"}, {"duration": "5s"}),
        ({"duration": "5s"}, {"resolution": "720p"}),
        ({"resolution": "720p", "duration": "5s"}, {}),
    ],
)
@pytest.mark.parametrize(("model", "price"), [("ray-2", 0.71), ("ray-3.2", 0.30)])
def test_a_figure_says_what_it_takes_for_what_was_not_given(
    model: str, price: float, given: dict[str, object], assumed: dict[str, str]
) -> None:
    told = estimate("create_generation", model, given)
    assert (told.usd, told.assumes) == (price, assumed)


@pytest.mark.parametrize(("operation", "price"), [("modify_video", 1.08), ("reframe_video", 0.60)])
def test_a_figure_for_a_source_takes_a_resolution_of_the_result(
    operation: Operation, price: float
) -> None:
    told = estimate(operation, "ray-3.2", {"source_seconds": 5})
    assert (told.usd, told.assumes) == (price, {"resolution": "720p"})
    told = estimate(operation, "ray-3.2", {"source_seconds": 5, "resolution": "720p"})
    assert (told.usd, told.assumes) == (price, {})


def test_a_picture_without_the_web_costs_what_it_costs() -> None:
    assert usd("generate_image", "uni-1", web_search=False) == 0.0404


@pytest.mark.parametrize("ratio", ["1:1", "9:16", "21:9"])
def test_a_clip_of_another_ratio_costs_about_the_same(ratio: str) -> None:
    told = estimate("create_generation", "ray-2", {"aspect_ratio": ratio})
    assert told.usd == 0.71
    assert told.basis.startswith("About ")


@pytest.mark.parametrize(
    ("model", "given"),
    [("ray-2", {}), ("ray-2", {"aspect_ratio": "16:9"}), ("ray-3.2", {"aspect_ratio": "1:1"})],
)
def test_a_listed_price_is_no_about(model: str, given: dict[str, object]) -> None:
    assert "bout" not in estimate("create_generation", model, given).basis


def test_the_figures_that_luma_lists_twice_say_so() -> None:
    other = "Another edition of the list says 2.30 for 5s and 4.14 for 9s."
    sharp, plain = (
        estimate("create_generation", "ray-2", {"resolution": resolution}).basis
        for resolution in ("1080p", "720p")
    )
    assert sharp.endswith(other)
    assert other not in plain


def test_every_basis_is_one_line_that_ends_as_a_sentence() -> None:
    for name, model in MODELS.items():
        for operation in model.uses:
            basis = estimate(operation, name, {"source_seconds": 5}).basis
            assert basis[0].isupper()
            assert basis.endswith(".")
            assert "\n" not in basis


def test_an_estimate_assumes_nothing_by_itself() -> None:
    assert Estimate(1.0, "Because.").assumes == {}

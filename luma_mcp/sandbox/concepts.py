"""The camera concepts that Luma's models know, and the phrases of the older list."""

# The publicly known keys of GET /generations/concepts/list; Luma's live list may be longer.
CONCEPTS = (
    "truck_left",
    "pan_right",
    "pedestal_down",
    "low_angle",
    "pedestal_up",
    "selfie",
    "pan_left",
    "roll_right",
    "zoom_in",
    "over_the_shoulder",
    "orbit_right",
    "orbit_left",
    "static",
    "tiny_planet",
    "high_angle",
    "bolt_cam",
    "dolly_zoom",
    "overhead",
    "zoom_out",
    "handheld",
    "roll_left",
    "pov",
    "aerial_drone",
    "push_in",
    "crane_down",
    "truck_right",
    "tilt_down",
    "elevator_doors",
    "tilt_up",
    "ground_level",
    "pull_out",
    "aerial",
    "crane_up",
    "eye_level",
)

_MOVES = ("orbit", "pan", "truck", "pedestal", "zoom", "crane", "tilt", "roll", "push", "pull")

# docs.lumalabs.ai/docs/faq gives phrases such as "camera orbit left"; the whole list of
# GET /generations/camera_motion/list is not published, so it is made of the concepts that move.
CAMERA_MOTIONS = tuple(
    "camera " + concept.replace("_", " ") for concept in CONCEPTS if concept.startswith(_MOVES)
)

"""How much the Agents API takes: Luma's guides (docs.agents.lumalabs.ai), API reference and SDK."""

MIN_PROMPT, MAX_PROMPT = 1, 6000
MAX_LAYERING_PROMPT = 500
MAX_IMAGE_REFERENCES, MAX_EDIT_REFERENCES = 9, 8  # the source of an edit takes one place
MAX_KEYFRAMES = 64  # of the SDK; Luma's product page says 16
FRAMES_PER_SECOND = 24
# The SDK's 18 s for edits; Luma's FAQ says 30 s.
MAX_EDIT_SECONDS, MAX_REFRAME_SECONDS = 18, 30
MAX_IMAGE_MEGABYTES, MAX_VIDEO_MEGABYTES = 50, 200
MAX_FILE_BYTES = 5 * 1024**3
MANGA_RATIOS = ("2:3", "9:16", "1:2", "1:3")

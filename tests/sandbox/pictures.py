"""Small pictures to upload."""

import io

from PIL import Image


def paint(kind: str, size: tuple[int, int] = (30, 20), mode: str = "RGB") -> bytes:
    """A black picture, in a format and a mode of Pillow's."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()

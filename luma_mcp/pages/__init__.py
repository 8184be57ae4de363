"""The pages for people: one template engine, one stylesheet, strict headers."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_HERE = Path(__file__).parent
_FOR_A_YEAR = "public, max-age=31536000, immutable"
_UNGUESSED = {"X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Asset:
    """A file that pages load; its URL changes with its content."""

    name: str
    suffix: str
    content: bytes
    media_type: str

    @property
    def url(self) -> str:
        """Its path on this server."""
        digest = hashlib.sha256(self.content).hexdigest()[:16]
        return f"/assets/{self.name}-{digest}.{self.suffix}"

    async def answer(self, _request: Request) -> Response:
        """Give the content, to be kept for as long as anybody likes."""
        headers = {"Cache-Control": _FOR_A_YEAR, **_UNGUESSED}
        return Response(self.content, media_type=self.media_type, headers=headers)


STYLE = Asset("style", "css", (_HERE / "style.css").read_bytes(), "text/css")
SCRIPT = Asset("copy", "js", (_HERE / "copy.js").read_bytes(), "text/javascript")

_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_functions: dict[str, Any] = {"style_url": lambda: STYLE.url, "script_url": lambda: SCRIPT.url}
_templates.globals.update(_functions)


def page(
    template: str,
    *,
    status: int = 200,
    form: bool = False,
    script: bool = False,
    **values: object,
) -> HTMLResponse:
    """Render a page that may load nothing but our stylesheet, and what is asked for here.

    Args:
        template: Its file name.
        status: That of the answer.
        form: Whether the page has a form that is sent to this server; it is kept nowhere then.
        script: Whether the page gets the script that copies code.
        values: What the template shows. Everything in them is escaped. `base` is what stands
            before the paths of this server where a proxy serves it below a path.
    """
    html = _templates.get_template(template).render(script=script, **values)
    return HTMLResponse(html, status, _strict_headers(form=form, script=script))


def _strict_headers(*, form: bool, script: bool) -> dict[str, str]:
    policy = [
        "default-src 'none'",
        *(["script-src 'self'"] if script else []),
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'" if form else "form-action 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        **_UNGUESSED,
        "X-Frame-Options": "DENY",
        # With no-referrer, browsers send `Origin: null` along with a form.
        "Referrer-Policy": "same-origin" if form else "no-referrer",
        **({"Cache-Control": "no-store"} if form else {}),
    }


def asset_routes() -> list[Route]:
    """Give the routes of what pages load."""
    return [Route(asset.url, asset.answer, methods=["GET"]) for asset in (STYLE, SCRIPT)]

"""What the documents say and the code knows better; `python -m tests.documents` writes it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from luma_mcp import errors
from luma_mcp import prompts as plans
from luma_mcp import resources as readings
from luma_mcp.luma.catalogue import MODELS, Model, estimate
from luma_mcp.metrics import FAMILIES
from luma_mcp.sandbox.faults import WORDS
from luma_mcp.settings import SECRETS, Settings, file_variable, variable_name
from luma_mcp.tools import build_tools
from tests.faults.matrix import faults

ROOT = Path(__file__).parents[1]
README, EXAMPLE, SECURITY = ROOT / "README.md", ROOT / ".env.example", ROOT / "SECURITY.md"
# What models are compared by: a clip as they make it by themselves, or made of such a clip.
FIVE_SECONDS = {"source_seconds": 5, "source_resolution": "720p"}
STDIO_KEYS = ("LUMA_API_KEY", "LUMA_AGENTS_API_KEY")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: object) -> str:
    """Write a default as one writes it into the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)


def _table(*heads: str) -> Iterator[str]:
    yield _row(*heads)
    yield f"|{'---|' * len(heads)}"


def tools() -> Iterator[str]:
    yield from _table("toolset", "tool", "what it does")
    for tool in build_tools().values():
        yield _row(
            ", ".join(tool.toolsets), f"`{tool.name}`", (tool.description or "").splitlines()[0]
        )


def resources() -> Iterator[str]:
    yield from _table("resource", "what it holds")
    for one in readings.ALL:
        yield _row(f"`{one.address}`", (one.listed.description or "").splitlines()[0])


def prompts() -> Iterator[str]:
    yield from _table("prompt", "its plan")
    for one in plans.ALL:
        yield _row(f"`{one.name}`", (one.description or "").splitlines()[0])


def codes() -> Iterator[str]:
    yield from _table("code", "when")
    for kind in errors.LumaMcpError.__subclasses__():
        yield _row(f"`{kind.code}`", (kind.__doc__ or "").splitlines()[0])


def models() -> Iterator[str]:
    yield from _table("model", "API", "what it is for", "what it does, and its price")
    for model in MODELS.values():
        api = model.api.title.removesuffix(" API")
        yield _row(f"`{model.name}`", api, model.summary, "; ".join(_priced_uses(model)))


def _priced_uses(model: Model) -> Iterator[str]:
    """Tell what a picture, or five seconds at 720p, cost."""
    for operation in model.uses:
        usd = estimate(operation, model.name, FIVE_SECONDS).usd
        yield f"`{operation}` {_dollars(usd)}" if usd else f"`{operation}`"


def _dollars(usd: float) -> str:
    return f"${usd:.2f}" if round(usd, 2) == usd else f"${usd:g}"


def _variables() -> Iterator[tuple[str, str, str]]:
    """List the variable of each setting, and of the file that a secret may come from."""
    for name, field in Settings.model_fields.items():
        yield variable_name(name), _plain(field.default), field.description or ""
        if name in SECRETS:
            yield file_variable(name), "", f"path of a file that holds {variable_name(name)}"


def settings() -> Iterator[str]:
    yield from _table("variable", "default", "meaning")
    for variable, default, meaning in _variables():
        yield _row(f"`{variable}`", f"`{default}`" if default else "", meaning)


def metrics() -> Iterator[str]:
    yield from _table("metric", "type", "labels", "meaning")
    for name, family in FAMILIES.items():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield _row(f"`{name}`", family.kind, labels, family.meaning)


def words() -> Iterator[str]:
    yield from _table("word", "effect")
    for word, effect in WORDS.items():
        yield _row(f"`{word}`", effect)


def _with_tables(page: Path, *parts: Callable[[], Iterator[str]]) -> str:
    text = page.read_text()
    for part in parts:
        name = part.__name__
        rows = "\n".join(part())
        text = re.sub(
            rf"<!-- {name} -->\n.*?<!-- /{name} -->",
            lambda _, name=name, rows=rows: f"<!-- {name} -->\n{rows}\n<!-- /{name} -->",
            text,
            flags=re.DOTALL,
        )
    return text


def readme() -> str:
    """Give the README with its tables as the code has them."""
    return _with_tables(README, resources, prompts, tools, codes, models, settings, metrics, words)


def security() -> str:
    """Give SECURITY.md with the table of the faults that the tests play."""
    return _with_tables(SECURITY, faults)


def example() -> str:
    """Give .env.example: every setting with its meaning and its default, commented out."""
    lines = [
        "# The settings of luma-mcp with their defaults. Copy this file to .env, which",
        "# docker compose reads, or set the variables in the environment of the process.",
    ]
    for variable, default, meaning in _variables():
        lines += ["", f"# {meaning}", f"#{variable}={default}"]
    lines += [
        "",
        "# The keys of the one user of `luma-mcp stdio`, or the files that hold them; no other",
        "# command reads them.",
        *(f"#{variable}{form}=" for variable in STDIO_KEYS for form in ("", "_FILE")),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    README.write_text(readme())
    SECURITY.write_text(security())
    EXAMPLE.write_text(example())

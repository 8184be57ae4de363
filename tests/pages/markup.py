"""What is wrong with a page's HTML, as far as a parser can tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise

_WITHOUT_END = {"meta", "link", "input", "br", "hr", "img"}
_HEADINGS = ("h1", "h2", "h3", "h4")
_LABELLED = {"input", "select", "textarea"}
_REFERENCES = ("for", "aria-describedby", "aria-labelledby")
_UNLABELLED_TYPES = {"hidden", "submit"}


@dataclass
class Element:
    """One element: its name, its attributes, the text within it, and where it stands."""

    tag: str
    attributes: dict[str, str]
    within: tuple[str, ...]
    text: str = ""


class Markup(HTMLParser):
    """A page taken apart; reads what is there and forgives nothing."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.misnested: list[str] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        self.misnested += [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        within = tuple(element.tag for element in self._open)
        element = Element(tag, {name: value or "" for name, value in attrs}, within)
        self.elements.append(element)
        if tag not in _WITHOUT_END:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.misnested.append(tag)
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def values(self, attribute: str) -> list[str]:
        """Give what an attribute says, wherever it stands."""
        given = (element.attributes.get(attribute) for element in self.elements)
        return [value for value in given if value is not None]


def faults(html: str) -> list[str]:
    """Say what is wrong with a page, so that nothing is where the list is empty."""
    page = Markup(html)
    return [
        *(f"{tag} is not closed where it should be" for tag in page.misnested),
        *_faults_of_references(page),
        *_faults_of_structure(page),
        *_faults_of_what_runs(page),
    ]


def _faults_of_references(page: Markup) -> Iterator[str]:
    ids = page.values("id")
    yield from (f"two elements have the id {one}" for one in {*ids} if ids.count(one) > 1)
    named = [
        value for name in ("aria-describedby", "aria-labelledby") for value in page.values(name)
    ]
    wanted = {one for value in (*named, *page.values("for")) for one in value.split()}
    wanted |= {href[1:] for href in page.values("href") if href.startswith("#")}
    yield from (f"nothing has the id {one}" for one in sorted(wanted - {*ids}))


def _faults_of_structure(page: Markup) -> Iterator[str]:
    if not page.all("html") or not page.all("html")[0].attributes.get("lang"):
        yield "the language is not said"
    if len(page.all("title")) != 1 or not page.all("title")[0].text.strip():
        yield "there is no title"
    levels = [_HEADINGS.index(one.tag) for one in page.elements if one.tag in _HEADINGS]
    if levels.count(0) != 1 or levels[0] != 0:
        yield "the first heading must be the only h1"
    if any(later > earlier + 1 for earlier, later in pairwise(levels)):
        yield "a level of headings is left out"
    labels = page.values("for")
    for element in page.elements:
        kind = element.attributes.get("type")
        if element.tag not in _LABELLED or kind in _UNLABELLED_TYPES or "label" in element.within:
            continue
        if element.attributes.get("id") not in labels:
            yield f"{element.tag} {element.attributes.get('name')} has no label"


def _faults_of_what_runs(page: Markup) -> Iterator[str]:
    """Find what a policy without unsafe-inline forbids."""
    for element in page.elements:
        if "style" in element.attributes or element.tag == "style":
            yield f"{element.tag} has a style of its own"
        if any(name.startswith("on") for name in element.attributes):
            yield f"{element.tag} runs code"
        if element.tag == "script" and element.text.strip():
            yield "a script stands in the page"
        if element.attributes.get("href", "").startswith(("javascript:", "data:")):
            yield f"{element.tag} leads to code"

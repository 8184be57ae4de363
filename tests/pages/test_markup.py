"""The checker of pages finds what it is there to find."""

import pytest

from tests.pages.markup import faults

GOOD = """<!doctype html><html lang="en"><head><title>A page</title></head><body><h1>A page</h1>
<h2 id="form">A form</h2><a href="#form">there</a><label for="key">Key</label>
<input id="key" name="key" aria-describedby="hint"><p id="hint">It is secret.</p>
<label><input type="checkbox" name="quiet"> Quiet</label><input type="hidden" name="request">
</body></html>"""


def test_a_good_page_has_no_faults() -> None:
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ("</h2>", "</h3>", "h3 is not closed where it should be"),
        ("</body>", "", "body is not closed where it should be"),
        ('id="hint"', 'id="key"', "two elements have the id key"),
        ('href="#form"', 'href="#none"', "nothing has the id none"),
        ('id="hint"', "", "nothing has the id hint"),
        ('lang="en"', "", "the language is not said"),
        ("<title>A page</title>", "", "there is no title"),
        ("<h1>A page</h1>", "", "the first heading must be the only h1"),
        ("<h1>A page</h1>", "<h1>A</h1><h1>page</h1>", "the first heading must be the only h1"),
        ('<h2 id="form">A form</h2>', '<h3 id="form">A</h3>', "a level of headings is left out"),
        ('for="key"', 'for="hint"', "input key has no label"),
        ("<body>", '<body style="color: red">', "body has a style of its own"),
        ("</head>", "<style>a {}</style></head>", "style has a style of its own"),
        ("<body>", '<body onload="run()">', "body runs code"),
        ("</head>", "<script>run()</script></head>", "a script stands in the page"),
        ('href="#form"', 'href="javascript:run()"', "a leads to code"),
    ],
)
def test_a_fault_is_found(good: str, bad: str, fault: str) -> None:
    assert fault in faults(GOOD.replace(good, bad))

"""The measurements run and fill their tables; the figures are nobody's business here."""

import re

import pytest

from tests.bench import footprint, http_clients, replicas, tool_calls, waiting
from tests.e2e.processes import UNTRACED

CELL = re.compile(r"(\d+) \( *(\d+\.\d\d)\)")


@pytest.fixture(autouse=True)
def _untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure what runs without coverage, as it does by hand."""
    for name, value in UNTRACED.items():
        monkeypatch.setenv(name, value)


def cells_of(report: list[str], name: str) -> list[tuple[int, float]]:
    """Find the costs of a row, each with its ratio."""
    (row,) = [line for line in report if line.startswith(name)]
    return [(int(cost), float(ratio)) for cost, ratio in CELL.findall(row.removeprefix(name))]


def test_the_comparison_of_clients_has_every_row_and_ratio() -> None:
    bounds = http_clients.Bounds(concurrency=(1, 4), rounds=1, most=8)
    report = http_clients.report(bounds)
    assert "times ours" in report[0]
    assert report[1].split() == ["1", "at", "once", "4", "at", "once"]
    assert len(report) == 2 + len(http_clients.CLIENTS)
    for name in http_clients.CLIENTS:
        cells = cells_of(report, name)
        assert len(cells) == 2
        assert all(cost > 0 and ratio > 0 for cost, ratio in cells)
    assert [ratio for _, ratio in cells_of(report, http_clients.OURS)] == [1.0, 1.0]


def test_the_cost_of_a_tool_call_has_every_row_and_ratio() -> None:
    bounds = tool_calls.Bounds(rounds=1, calls=16, calls_of_the_slow=4, warm_up=4, at_once=4)
    first, *rows, last = tool_calls.report(bounds)
    assert "4 at once (times bare)" in first
    for group, names in tool_calls.ways("").items():
        assert rows.pop(0) == f"{group}:"
        for place, name in enumerate(names):
            ((cost, ratio),) = cells_of([rows.pop(0)], name)
            assert cost > 0
            assert ratio == 1.0 if place == 0 else ratio > 0
    assert rows == []
    assert re.fullmatch(r"measured in \d+ s", last)


def test_the_cost_of_waiting_has_every_row_and_counts_requests() -> None:
    """The jobs are over before anybody waits, so that each call asks Luma once at most."""
    bounds = waiting.Bounds(
        keys=2,
        jobs_of_a_key=2,
        calls=12,
        queued_seconds=0,
        dreaming_seconds=0,
        warm_up=2,
        own_servers=False,
    )
    report = waiting.report(bounds)
    assert "4 jobs of 2 keys, 0 s each; many is 12 calls" in report[0]
    names = waiting.ways(bounds)
    assert len(report) == 4 + len(names)
    cells = {name: cells_of(report, name) for name in names}
    assert {len(row) for row in cells.values()} == {len(waiting.COLUMNS)}
    assert [ratio for _, ratio in cells[waiting.ALONE]] == [1.0] * len(waiting.COLUMNS)
    requests = {name: row[0][0] for name, row in cells.items()}
    assert requests[waiting.ALONE] == 4
    assert 4 <= requests[waiting.SHARED] <= 12
    assert requests[waiting.NAIVE] == 12
    assert report[-2].startswith("Shared watches: ")
    assert re.fullmatch(r"measured in \d+ s", report[-1])


def test_the_footprint_has_every_row_and_ratio() -> None:
    report = footprint.report(footprint.Bounds(rounds=1))
    assert len(report) == 1 + len(footprint.WAYS)
    assert [ratio for _, ratio in cells_of(report, footprint.FLOOR)] == [1.0, 1.0]
    for name in footprint.WAYS:
        cells = cells_of(report, f"{name:34}")
        assert all(cost > 0 and ratio > 0 for cost, ratio in cells)


def test_the_comparison_of_one_process_with_two_has_every_row_and_ratio() -> None:
    first, *rows = replicas.report(replicas.Bounds(rounds=1, calls=32, warm_up=8, at_once=4))
    assert "4 at once (times one process)" in first
    assert cells_of(rows, "one process")[0][1] == 1.0
    assert cells_of(rows, "two processes")[0][1] > 0

"""Each lock holds all that its distributions require, so that installing from it resolves nothing.

What is required stands in the metadata of what is installed. It is read for every Python and system
that the locks are for; what is installed only there cannot be read here.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.documents import ROOT
from tests.e2e.requirements import PYTHON_CLIENTS, missing, need_python_clients

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN, DEV = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
CLIENTS = PYTHON_CLIENTS / "requirements.lock"
HERE = {**default_environment(), "extra": ""}

Environment = dict[str, str]
Metadata = dict[tuple[str, str], list[Requirement]]


def on(system: str, python: str) -> Environment:
    """Give what markers see on this system, with this release of CPython."""
    platform = {"linux": "Linux", "darwin": "Darwin"}[system]
    version = ".".join(python.split(".")[:2])
    return HERE | {
        "sys_platform": system,
        "platform_system": platform,
        "python_version": version,
        "python_full_version": python,
        "implementation_version": python,
    }


ENVIRONMENTS = [
    on(system, python)
    for system in ("linux", "darwin")
    for python in ("3.11.0", "3.11.9", "3.12.0", "3.13.0", "3.14.0")
]


class Pin(NamedTuple):
    """One distribution of a lock: where its marker holds, in this version."""

    name: str
    version: str
    marker: Marker | None

    def holds(self, environment: Environment) -> bool:
        return self.marker is None or self.marker.evaluate(environment)


def pins_of(text: str) -> list[Pin]:
    """Read a lock."""
    logical = text.replace("\\\n", " ").splitlines()
    plain = (re.sub(r"\s--hash=\S+", "", line).strip() for line in logical)
    requirements = (Requirement(line) for line in plain if line and not line.startswith("#"))
    return [
        Pin(canonicalize_name(one.name), str(one.specifier).removeprefix("=="), one.marker)
        for one in requirements
    ]


def metadata_in(*folders: Path) -> Metadata:
    """Read what each distribution requires that is installed in these folders, or here."""
    where = {"path": [str(folder) for folder in folders]} if folders else {}
    found: Iterable[Distribution] = distributions(**where)
    return {
        (canonicalize_name(one.metadata["Name"]), one.version): [
            Requirement(line) for line in one.requires or ()
        ]
        for one in found
    }


def unmet(pins: list[Pin], metadata: Metadata, environment: Environment) -> Iterator[str]:
    """Find what is required in an environment, but not locked there in a version that fits."""
    locked = {pin.name: pin.version for pin in pins if pin.holds(environment)}
    todo = [(name, "") for name in locked]
    seen = set(todo)
    while todo:
        name, extra = todo.pop()
        for one in metadata.get((name, locked[name]), ()):
            if one.marker and not one.marker.evaluate(environment | {"extra": extra}):
                continue
            other = canonicalize_name(one.name)
            if other not in locked or not one.specifier.contains(locked[other], prereleases=True):
                yield f"{name}[{extra}] needs {one}"
                continue
            wanted = {(other, word) for word in one.extras} - seen
            seen |= wanted
            todo.extend(wanted)


def project_with(requirements: Iterable[str]) -> tuple[Pin, Metadata]:
    """Describe the project as a distribution that requires just these."""
    pin = Pin("the-project", "0", None)
    return pin, {pin[:2]: [Requirement(line) for line in requirements]}


def requirements_of_ours(*groups: str) -> list[str]:
    """List what the project requires with all its extras, and with these groups."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    plain = PROJECT["project"]["dependencies"]
    return [*plain, *chain(*extras, *(PROJECT["dependency-groups"][name] for name in groups))]


def requirements_of_clients() -> list[str]:
    lines = (PYTHON_CLIENTS / "requirements.in").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def closed(lock: Path) -> tuple[list[Pin], Metadata]:
    """Read a lock, and the metadata of what is installed from it; skip where that is not there."""
    if lock == CLIENTS:
        python = Path(need_python_clients())
        metadata = metadata_in(*python.parents[1].glob("lib/python*/site-packages"))
        project, required = project_with(requirements_of_clients())
    else:
        metadata = metadata_in()
        groups = ("dev",) if lock == DEV else ()
        project, required = project_with(requirements_of_ours(*groups))
    pins = [project, *pins_of(lock.read_text())]
    metadata |= required
    if any(pin.holds(HERE) and pin[:2] not in metadata for pin in pins):
        missing(f"this environment was not installed from {lock.relative_to(ROOT)}")
    return pins, metadata


@pytest.mark.parametrize("lock", [RUN, DEV, CLIENTS], ids=lambda lock: lock.parent.name + lock.name)
def test_whatever_a_lock_requires_is_in_it(lock: Path) -> None:
    pins, metadata = closed(lock)
    for environment in ENVIRONMENTS:
        names = [pin.name for pin in pins if pin.holds(environment)]
        assert len(names) == len(set(names))
        assert not [*unmet(pins, metadata, environment)]


def test_a_lock_from_which_something_is_taken_out_would_be_noticed() -> None:
    pins, metadata = closed(DEV)
    for gone in pins[1:]:
        if gone.holds(HERE):
            rest = [pin for pin in pins if pin is not gone]
            assert [*unmet(rest, metadata, HERE)], gone.name


def test_what_an_extra_requires_belongs_to_it() -> None:
    pins, metadata = closed(RUN)
    rest = [pin for pin in pins if pin.name != "email-validator"]
    (line,) = unmet(rest, metadata, HERE)
    assert line.startswith("pydantic[email] needs email-validator")


def test_a_version_that_does_not_fit_would_be_noticed() -> None:
    pins, metadata = closed(RUN)
    old = [pin._replace(version="1.0") if pin.name == "starlette" else pin for pin in pins]
    assert any("needs starlette" in line for line in unmet(old, metadata, HERE))


def test_what_is_developed_with_is_what_is_run() -> None:
    assert set(pins_of(RUN.read_text())) <= set(pins_of(DEV.read_text()))

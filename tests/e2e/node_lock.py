"""Take every address out of the lock files of Node packages; hashes are what counts."""

import json
from pathlib import Path

FOLDERS = (Path(__file__).parent / "node", Path(__file__).parents[2] / "widgets")
LOCKS = tuple(folder / "package-lock.json" for folder in FOLDERS)


def without_addresses(path: Path) -> str:
    lock = json.loads(path.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
        package.pop("resolved", None)
    return json.dumps(lock, indent=2) + "\n"


if __name__ == "__main__":
    for path in LOCKS:
        path.write_text(without_addresses(path))

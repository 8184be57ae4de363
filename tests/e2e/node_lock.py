"""Take every address out of the lock file of the Node clients; hashes are what counts."""

import json
from pathlib import Path

LOCK = Path(__file__).parent / "node" / "package-lock.json"


def without_addresses() -> str:
    lock = json.loads(LOCK.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
        package.pop("resolved", None)
    return json.dumps(lock, indent=2) + "\n"


if __name__ == "__main__":
    LOCK.write_text(without_addresses())

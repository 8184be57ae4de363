"""Whom the tests trust: the authority of their own, and no other.

Nearly every client and server here speaks plain HTTP on loopback, and yet loads all authorities
that the machine knows, which takes 25 ms of CPU each time.
"""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.faults import certificates

FILE = "SSL_CERT_FILE"
OF_THE_MACHINE = os.environ.get(FILE)  # noqa: TID251 - the tests change it


@contextmanager
def trust_no_other() -> Generator[None]:
    """Trust the authority of the tests alone, here and in processes of whatever user."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)
        trusted = Path(folder) / "trusted.pem"
        trusted.write_bytes(certificates.trusted().certificate.public_bytes(Encoding.PEM))
        patch.setenv(FILE, str(trusted))
        yield


@contextmanager
def trust_as_the_machine_does() -> Generator[None]:
    """Trust for once whom the machine trusts, to install something."""
    with pytest.MonkeyPatch.context() as patch:
        if OF_THE_MACHINE is None:
            patch.delenv(FILE)
        else:
            patch.setenv(FILE, OF_THE_MACHINE)
        yield

"""What a user allowed a client, and what of it may be seen."""

import pytest

from luma_mcp.credentials import ApiKey, Credentials
from luma_mcp.oauth.grants import Grant

DREAM_MACHINE, AGENTS = ApiKey("luma-canary"), ApiKey("luma-api-canary")


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials(DREAM_MACHINE),
        Credentials(None, AGENTS),
        Credentials(DREAM_MACHINE, AGENTS),
    ],
)
@pytest.mark.parametrize("readonly", [True, False])
def test_a_grant_survives_its_token(credentials: Credentials, *, readonly: bool) -> None:
    grant = Grant("a client", credentials, readonly)
    assert Grant.of(grant.claims()) == grant


def test_a_grant_never_prints_a_key() -> None:
    assert "canary" not in repr(Grant("a client", Credentials(DREAM_MACHINE, AGENTS), False))  # noqa: FBT003


def test_each_sign_in_has_a_name_of_its_own() -> None:
    names = {Grant("a client", Credentials(DREAM_MACHINE), False).sign_in for _ in range(100)}  # noqa: FBT003
    assert len(names) == 100
    assert min(map(len, names)) >= 16

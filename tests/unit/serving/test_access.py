"""Where a service may listen without a token."""

import pytest

from streams.errors import IntakeUnprotected, Unprotected
from streams.serving.access import check_address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "page.example"])
@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (Unprotected, "page_unprotected: the page .*MARKETPULSE_PAGE_TOKEN"),
        (IntakeUnprotected, "intake_unprotected: the intake .*MARKETPULSE_INTAKE_TOKENS"),
    ],
)
def test_listening_beyond_this_machine_needs_a_token(host: str, refusal: type[Unprotected], says: str) -> None:
    """A coded error that says what to do."""
    with pytest.raises(refusal, match=says):
        check_address(host, False, refusal)
    check_address(host, True, refusal)
    for loopback in ("127.0.0.1", "::1", "localhost"):
        check_address(loopback, False, refusal)

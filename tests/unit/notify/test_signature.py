"""Signatures as the Standard Webhooks specification has them."""

import base64

import pytest

from streams.notify.signature import key_of, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_specifications_own_example() -> None:
    """Id, time, body and secret of the reference libraries' tests give their signature."""
    headers = signed_headers([key_of(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == headers["webhook-signature"]
    assert ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330") == (headers["webhook-id"], headers["webhook-timestamp"])


def test_two_secrets_give_two_signatures() -> None:
    """While a secret is rotated, a receiver that knows either is content."""
    keys = [key_of(SECRET), b"k" * 24]
    both = signed_headers(keys, "m", 1, b"{}")["webhook-signature"].split(" ")
    assert [signed_headers([key], "m", 1, b"{}")["webhook-signature"] for key in keys] == both


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_not base64!",
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
    ],
)
def test_a_weak_secret_is_refused(secret: str) -> None:
    """Without its prefix, no base64, or shorter than 24 bytes."""
    with pytest.raises(ValueError, match="whsec_"):
        key_of(secret)

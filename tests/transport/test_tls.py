"""What counts as encrypted, as local, and as safe by default."""

import ssl

import pytest

from amqp10 import Anonymous, External, InvalidState, Plain
from amqp10.transport.tls import check_clear_text, client_context


def test_the_default_context_verifies() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    "peer",
    [("127.0.0.1", 5672), ("127.8.8.8", 5672), ("::1", 5672, 0, 0), ("::1%lo", 5672, 0, 1), "", "/run/s", b"\0a"],
)
def test_a_password_may_pass_in_clear_text_on_this_machine(peer: object) -> None:
    check_clear_text(Plain("user", "word"), peer)


@pytest.mark.parametrize(
    "peer",
    [("192.0.2.1", 5672), ("2001:db8::5", 5672, 0, 0), ("fe80::1%eth0", 5672, 0, 2), ("0.0.0.0", 1), ("host", 1), None],
)
def test_a_password_may_not_leave_it_in_clear_text(peer: object) -> None:
    with pytest.raises(InvalidState, match="clear text") as caught:
        check_clear_text(Plain("user", "s3cret"), peer)
    assert "s3cret" not in str(caught.value)
    check_clear_text(Plain("user", "s3cret", allow_clear_text=True), peer)
    check_clear_text(Anonymous(), peer)
    check_clear_text(External(), peer)

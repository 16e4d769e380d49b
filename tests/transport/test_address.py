"""URLs, and that no error about one shows its password."""

import traceback
from contextlib import suppress

import pytest

from amqp10.transport.address import Address, parse_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("amqp://broker", Address("broker", 5672, False)),
        ("amqps://broker", Address("broker", 5671, True)),
        ("AMQPS://Broker:7000/", Address("broker", 7000, True)),
        ("amqp://broker:0", Address("broker", 0, False)),
        ("amqp://broker:65535", Address("broker", 65535, False)),
        ("amqp://broker:", Address("broker", 5672, False)),
        ("amqp://user@broker", Address("broker", 5672, False, "user")),
        ("amqp://user:@broker", Address("broker", 5672, False, "user", "")),
        ("amqp://user:word@broker:1", Address("broker", 1, False, "user", "word")),
        ("amqp://us%40er:p%3Aa%2Fs%23s%3F%25@broker", Address("broker", 5672, False, "us@er", "p:a/s#s?%")),
        ("amqp://user:a:b@broker", Address("broker", 5672, False, "user", "a:b")),
        ("amqp://user:a@b@broker", Address("broker", 5672, False, "user", "a@b")),
        ("amqp://J%C3%BCrgen:%E2%82%AC@broker", Address("broker", 5672, False, "Jürgen", "€")),
        ("amqp://user:a+b%20c@broker", Address("broker", 5672, False, "user", "a+b c")),
        ("amqp://127.0.0.1", Address("127.0.0.1", 5672, False)),
        ("amqp://[::1]", Address("::1", 5672, False)),
        ("amqps://user:word@[2001:db8::5]:5673", Address("2001:db8::5", 5673, True, "user", "word")),
        ("amqp://[fe80::1%25eth0]:5673", Address("fe80::1%eth0", 5673, False)),
    ],
)
def test_parts(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "scheme"),
        ("broker", "scheme"),
        ("broker:5672", "scheme"),
        ("http://user:s3cret@broker", "scheme must be amqp or amqps, not 'http'"),
        ("amqp+ssl://user:s3cret@broker", "scheme"),
        ("amqp:user:s3cret@broker", "no path"),
        ("amqp://user:s3cret@broker/vhost", "hostname="),
        ("amqp://user:s3cret@broker?heartbeat=1", "no path"),
        ("amqp://user:s3cret@broker#there", "no path"),
        ("amqp://user:s3/cret@broker", "percent-encoded"),
        ("amqp://user:s3#cret@broker", "percent-encoded"),
        ("amqp://user:s3?cret@broker", "percent-encoded"),
        ("amqp://user:s3[cret@broker", "malformed"),
        ("amqp://user:s3cret℀@broker", "malformed"),
        ("amqp://user:s3cret\n@broker", "malformed"),
        ("amqp://user:s3 cret@broker", "malformed"),
        ("amqp://user:s3cret%FF@broker", "password is not percent-encoded UTF-8"),
        ("amqp://s3cret%FF@broker", "user name is not percent-encoded UTF-8"),
        ("amqp://user:s3cret@", "no host"),
        ("amqp://:s3cret@:5672", "no host"),
        ("amqp://user:s3cret@broker:port", "port"),
        ("amqp://user:s3cret@broker:-1", "port"),
        ("amqp://user:s3cret@broker:65536", "port"),
        ("amqp://user:s3cret@::1:5672", "no host"),
        ("amqp://user:s3cret@[::1", "malformed"),
    ],
)
def test_errors_do_not_show_the_password(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        parse_url(url)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "s3" not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_brackets_in_a_password() -> None:
    with suppress(ValueError):  # what Python makes of them depends on its release
        assert parse_url("amqp://user:[s3cret]@broker").password == "[s3cret]"
    with pytest.raises(ValueError, match="malformed"):
        parse_url("amqp://user:s3[cret@broker")


def test_repr_hides_the_password() -> None:
    assert repr(parse_url("amqp://user:s3cret@broker")) == (
        "Address(host='broker', port=5672, encrypted=False, username='user')"
    )

"""The trace of frames shows what passes, and no secret."""

from __future__ import annotations

import logging

import pytest

from amqp10.engine import Connection
from amqp10.engine.sasl import Plain, PlainServer, SaslClient, SaslServer
from amqp10.options import ConnectionOptions


def exchange() -> None:
    """Open a connection between two engines by SASL PLAIN."""
    client = Connection(ConnectionOptions(container_id="client"), sasl=SaslClient([Plain("user", "hush-hush")]))
    server = Connection(ConnectionOptions(container_id="server"), sasl=SaslServer([PlainServer(lambda *_: True)]))
    for operation in (client.open(), server.open()):
        next(operation)
    for _ in range(4):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    assert client.remote_open is not None
    client.receive_data(b"\x00\x00\x00\x01")


def test_frames_are_logged_in_both_directions_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "amqp10.frames")
    exchange()
    lines = [record.getMessage() for record in caplog.records if record.name == "amqp10.frames"]
    assert "client -> header 3 1.0.0" in lines
    assert any(line.startswith("server <- [0] SaslInit(mechanism=Symbol('PLAIN')") for line in lines)
    assert any(line.startswith("client <- [0] Open(container_id='server'") for line in lines)
    assert any(line.startswith("client <- broken frame: ") for line in lines)
    assert "hush" not in caplog.text


def test_nothing_is_logged_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "amqp10.frames")
    exchange()
    assert not [record for record in caplog.records if record.name == "amqp10.frames"]

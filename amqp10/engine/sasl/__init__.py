"""SASL without I/O: the negotiation and a module for each mechanism."""

from __future__ import annotations

from amqp10.engine.sasl.anonymous import Anonymous, AnonymousServer
from amqp10.engine.sasl.external import External, ExternalServer
from amqp10.engine.sasl.mechanism import ClientMechanism, Exchange, ServerMechanism, Verdict
from amqp10.engine.sasl.negotiation import SaslClient, SaslNegotiation, SaslServer, UnexpectedSaslFrame
from amqp10.engine.sasl.plain import Plain, PlainServer

__all__ = [
    "Anonymous",
    "AnonymousServer",
    "ClientMechanism",
    "Exchange",
    "External",
    "ExternalServer",
    "Plain",
    "PlainServer",
    "SaslClient",
    "SaslNegotiation",
    "SaslServer",
    "ServerMechanism",
    "UnexpectedSaslFrame",
    "Verdict",
]

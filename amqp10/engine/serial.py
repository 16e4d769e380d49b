"""Sequence arithmetic modulo 2**32 (RFC 1982), which delivery-ids, transfer-ids and delivery-counts follow (§2.8.8)."""

from __future__ import annotations

__all__ = ["MASK", "add", "difference"]

MASK = 0xFFFFFFFF
_HALF = 0x80000000


def add(number: int, increment: int) -> int:
    """Return the number `increment` places after `number`."""
    return (number + increment) & MASK


def difference(number: int, other: int) -> int:
    """Return how far `number` lies after `other`; negative where it lies before."""
    return (((number - other) & MASK) ^ _HALF) - _HALF

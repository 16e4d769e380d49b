"""What the bits of an IEEE 754 decimal mean in the binary integer encoding, which AMQP uses (§1.6.13 to §1.6.15).

Written from the standard for the tests alone, so that the codec is not measured by itself.
"""

from __future__ import annotations

import decimal
from typing import Final, NamedTuple


class Format(NamedTuple):
    """One of the three widths, by its size in bits."""

    width: int
    digits: int
    exponent_bits: int
    bias: int

    @property
    def payload_bits(self) -> int:
        """How many of the last bits hold what a NaN tells."""
        return self.width - 4 - self.exponent_bits


FORMATS: Final = {4: Format(32, 7, 8, 101), 8: Format(64, 16, 10, 398), 16: Format(128, 34, 14, 6176)}


class Parts(NamedTuple):
    """A decimal as its bits have it: excess says that the bits are not those which the value itself has."""

    sign: int
    coefficient: int
    exponent: int | str  # "F" infinity, "n" NaN, "N" signaling NaN, as in decimal.DecimalTuple
    excess: bool


def split(bits: bytes) -> Parts:
    """Take the bits apart."""
    form = FORMATS[len(bits)]
    value = int.from_bytes(bits, "big")
    sign = value >> (form.width - 1)
    if (value >> (form.width - 5)) & 0b1111 == 0b1111:
        return split_special(form, sign, value)
    long_form = (value >> (form.width - 3)) & 0b11 == 0b11
    coefficient_bits = form.width - form.exponent_bits - (3 if long_form else 1)
    exponent = (value >> coefficient_bits) & ((1 << form.exponent_bits) - 1)
    coefficient = value & ((1 << coefficient_bits) - 1) | (0b100 << coefficient_bits if long_form else 0)
    excess = coefficient >= 10**form.digits
    return Parts(sign, 0 if excess else coefficient, exponent - form.bias, excess)


def split_special(form: Format, sign: int, value: int) -> Parts:
    """Take an infinity or a NaN apart."""
    rest = value & ((1 << (form.width - 5)) - 1)
    if not (value >> (form.width - 6)) & 1:
        return Parts(sign, 0, "F", rest != 0)
    signaling = (value >> (form.width - 7)) & 1
    between = (rest & ((1 << (form.width - 7)) - 1)) >> form.payload_bits
    payload = rest & ((1 << form.payload_bits) - 1)
    excess = payload >= 10 ** (form.digits - 1)
    return Parts(sign, 0 if excess else payload, "N" if signaling else "n", excess or between != 0)


def to_decimal(bits: bytes) -> decimal.Decimal:
    """Give the number that the bits stand for."""
    parts = split(bits)
    special = isinstance(parts.exponent, str)
    digits = () if special and not parts.coefficient else tuple(map(int, str(parts.coefficient)))
    return decimal.Decimal((parts.sign, digits, parts.exponent))  # type: ignore[arg-type]

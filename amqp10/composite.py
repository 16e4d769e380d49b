"""The declarative form of the specification's composite types (types.xml, "Composite Types").

A class that derives from `Composite` states its descriptor and its fields; that statement is the whole of its
codec. This module owns the declaration; the encoding and decoding by these tables belong to `_codec`.
"""

from __future__ import annotations

from typing import Any, dataclass_transform

from amqp10 import _codec

__all__ = ["Composite", "CompositeMeta", "field", "mandatory"]


def field(
    type: str,  # noqa: A002 - the specification's word for it
    *,
    default: Any = None,
    multiple: bool = False,
    always: bool = False,
) -> Any:
    """Declare a field that may be absent.

    Args:
        type: the specification's name of the field's type; "*" for any, a composite's name for that composite.
        default: what the field holds where the peer left it out or sent null.
        multiple: whether the field takes an array of values (a single value is accepted from a peer).
        always: write the value even where it equals the default.
    """
    return _codec.Field(type, default, False, multiple, always)


def mandatory(type: str, *, multiple: bool = False) -> Any:  # noqa: A002
    """Declare a field that must be present and not null.

    Args:
        type: the specification's name of the field's type.
        multiple: whether the field takes an array of values.
    """
    return _codec.Field(type, None, True, multiple, True)


class CompositeMeta(type):
    """Turns a class body of fields into slots and a table for the codec."""

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        descriptor: str = "",
        code: int = -1,
    ) -> CompositeMeta:
        """Make the class and register its table under `descriptor` (symbolic) and `code` (numeric)."""
        fields = {key: value for key, value in namespace.items() if isinstance(value, _codec.Field)}
        for key in fields:
            del namespace[key]
        namespace["__slots__"] = namespace["__match_args__"] = tuple(fields)
        cls = super().__new__(mcs, name, bases, namespace)
        if descriptor:
            _codec.register_composite(cls, descriptor, code, fields)
        return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(field, mandatory))
class Composite(_codec.CompositeBase, metaclass=CompositeMeta):
    """A described list of named fields.

    Made with keyword arguments; fields left out take their defaults; compared by class and fields; mutable, so not
    hashable. A mandatory field that is left out is a TypeError.
    """

"""Values that equal more than one value, for what a script expects of a field.

A matcher can stand wherever a value can, also within a composite, a map or a list:
``Source(address="orders", outcomes=ANY)`` has this address, any outcomes, and otherwise the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from amqp10._codec import CompositeBase, Message
from amqp10.errors import DecodeError
from amqp10.testing.text import text_of

__all__ = [
    "ANY",
    "PRESENT",
    "AtLeast",
    "AtMost",
    "Contains",
    "Has",
    "HasAddress",
    "HasBody",
    "InstanceOf",
    "Matcher",
    "OneOf",
    "Satisfies",
    "check_fields",
    "matcher_of",
]


class Matcher:
    """A value that equals all the values it matches. Derive from it and write `matches` for one of your own.

    Args:
        arguments: what the matcher was made with, for its text in failure messages.
    """

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def matches(self, value: object) -> bool:
        """Tell whether `value` is one of those meant."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self.matches(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(text_of(argument) for argument in self.arguments)})"


class _Anything(Matcher):
    def matches(self, value: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "ANY"


class _Present(Matcher):
    def matches(self, value: object) -> bool:
        return value is not None

    def __repr__(self) -> str:
        return "PRESENT"


ANY: Any = _Anything()
"""Equals everything, None included."""

PRESENT: Any = _Present()
"""Equals everything but None: the field was on the wire, or has a default."""


class AtLeast(Matcher):
    """A number not below `least`.

    Args:
        least: the lowest number that is meant.
    """

    def __init__(self, least: int) -> None:
        super().__init__(least)
        self.least = least

    def matches(self, value: object) -> bool:
        """Compare numbers; anything else does not match."""
        return isinstance(value, int) and value >= self.least


class AtMost(Matcher):
    """A number not above `most`.

    Args:
        most: the highest number that is meant.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def matches(self, value: object) -> bool:
        """Compare numbers; anything else does not match."""
        return isinstance(value, int) and value <= self.most


class OneOf(Matcher):
    """Any of several values or matchers.

    Args:
        options: the values, matchers, classes or predicates of which one must match.
    """

    def __init__(self, *options: object) -> None:
        super().__init__(*options)
        self._options = [matcher_of(option) for option in options]

    def matches(self, value: object) -> bool:
        """Try one after the other."""
        return any(option == value for option in self._options)


class Contains(Matcher):
    """A string, list or map with all of these in it.

    Args:
        items: the parts, elements or keys that must be there.
    """

    def matches(self, value: object) -> bool:
        """Look for each; what cannot contain anything does not match."""
        try:
            return all(item in value for item in self.arguments)  # type: ignore[operator]
        except TypeError:
            return False


class Has(Matcher):
    """A composite of which some fields are given, the others being of no interest.

    ::

        error = Has(Error, condition="amqp:not-found")
        source = Has(Source, address="orders", durable=AtLeast(1))

    Args:
        kind: the class it must be an instance of.
        fields: the fields to look at: values, matchers, classes or predicates.

    Raises:
        TypeError: `kind` has no such field.
    """

    def __init__(self, kind: type[CompositeBase], /, **fields: object) -> None:
        super().__init__(kind)
        check_fields(kind, fields)
        self._kind = kind
        self._fields = {name: matcher_of(value) for name, value in fields.items()}

    def matches(self, value: object) -> bool:
        """Compare class and given fields."""
        return isinstance(value, self._kind) and all(
            expected == getattr(value, name) for name, expected in self._fields.items()
        )

    def __repr__(self) -> str:
        fields = "".join(f", {name}={text_of(value)}" for name, value in self._fields.items())
        return f"Has({self._kind.__name__}{fields})"


class HasAddress(Matcher):
    """A source or target with this address.

    Args:
        address: the address, or a matcher of it.
    """

    def matches(self, value: object) -> bool:
        """Compare the address; what has none does not match."""
        return hasattr(value, "address") and self.arguments[0] == value.address


class HasBody(Matcher):
    """The payload of a transfer that holds a whole message with this body.

    Args:
        body: what `Message.body` gives, or a matcher of it.
    """

    def matches(self, value: object) -> bool:
        """Decode the payload as a message; what is none does not match."""
        try:
            return isinstance(value, bytes) and bool(self.arguments[0] == Message.decode(value).body)
        except DecodeError:
            return False


class InstanceOf(Matcher):
    """A value of a class: what a class stands for where a value is expected.

    Args:
        kind: the class.
    """

    def __init__(self, kind: type) -> None:
        super().__init__(kind)
        self._kind = kind

    def matches(self, value: object) -> bool:
        """Ask isinstance."""
        return isinstance(value, self._kind)


class Satisfies(Matcher):
    """A value for which a predicate is true: what a callable stands for where a value is expected.

    Args:
        predicate: called with the value.
    """

    def __init__(self, predicate: Callable[[object], object]) -> None:
        super().__init__(predicate)
        self._predicate = predicate

    def matches(self, value: object) -> bool:
        """Call the predicate."""
        return bool(self._predicate(value))


def matcher_of(expected: object) -> object:
    """Return what to compare with: a class becomes `InstanceOf`, another callable `Satisfies`, the rest itself."""
    if isinstance(expected, type):
        return InstanceOf(expected)
    if callable(expected) and not isinstance(expected, CompositeBase):
        return Satisfies(expected)
    return expected


def check_fields(kind: type[CompositeBase], fields: Iterable[str]) -> None:
    """Reject names that are no fields: a script's typing error should not wait for a frame.

    Args:
        kind: the composite.
        fields: the names.

    Raises:
        TypeError: one of them is no field of `kind`.
    """
    known: tuple[str, ...] = kind.__match_args__  # type: ignore[attr-defined]
    for name in fields:
        if name not in known:
            raise TypeError(f"{kind.__name__} has no field {name!r}; it has {', '.join(known) or 'none'}")

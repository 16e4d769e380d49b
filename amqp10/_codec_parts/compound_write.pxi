# Writing a value of any type, and the public encode(). The path of an EncodeError is put together while the error
# passes through the levels, so a success pays nothing for it.

cdef enum:
    KEY_SHOWN = 60  # characters of a key in a path

cdef dict KINDS_BY_TYPE = {
    bool: K_BOOLEAN, types.UByte: K_UBYTE, types.UShort: K_USHORT, types.UInt: K_UINT, types.ULong: K_ULONG,
    types.Byte: K_BYTE, types.Short: K_SHORT, types.Int: K_INT, types.Timestamp: K_TIMESTAMP, types.Float32: K_FLOAT,
    types.Decimal32: K_DECIMAL32, types.Decimal64: K_DECIMAL64, types.Decimal128: K_DECIMAL128,
    decimal.Decimal: K_DECIMAL128, types.Symbol: K_SYMBOL, types.Char: K_CHAR, datetime.datetime: K_TIMESTAMP,
    uuid.UUID: K_UUID, bytearray: K_BINARY, memoryview: K_BINARY, bytes: K_BINARY, types.Array: K_ARRAY,
    types.Map: K_MAP, types.Described: K_DESCRIBED, int: K_LONG, float: K_DOUBLE, str: K_STRING, list: K_LIST,
    tuple: K_LIST, dict: K_MAP, types.Role: K_BOOLEAN, types.SenderSettleMode: K_UBYTE,
    types.ReceiverSettleMode: K_UBYTE, types.SaslCode: K_UBYTE, types.TerminusDurability: K_UINT,
    types.TerminusExpiryPolicy: K_SYMBOL, types.StdDistMode: K_SYMBOL,
}
"""What a class is written as; a subclass is written as the first of its bases that is here."""


cdef int kind_of(object value) except -1:
    kind = KINDS_BY_TYPE.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, CompositeBase):
        return K_COMPOSITE
    for base in type(value).__mro__:
        kind = KINDS_BY_TYPE.get(base)
        if kind is not None:
            return kind
    if isinstance(value, Mapping):
        return K_MAP
    refuse(f"no AMQP type for {type(value).__name__}")


cdef inline int enter(int depth) except -1:
    """Check that one more level may open; a cycle is what most often goes too deep."""
    if depth <= 0:
        refuse("nested too deep, or a cycle")
    return 0


cdef int add_path(object error, str step) except -1:
    """Put a step before the path of an EncodeError that passes by."""
    message = error.args[0][len(error.path) + 2 :] if error.path else error.args[0]
    error.path = step + error.path
    error.args = (f"{error.path}: {message}",)
    return 0


cdef int write_value(Buffer buf, object value, int depth) except -1:
    """Write one value, composites included; depth counts down. On an error the buffer has rests of it: truncate."""
    cdef type cls = type(value)
    if cls is str:
        return write_string(buf, value)
    if cls is int:
        return write_python_int(buf, value)
    if value is None:
        return buf.put_u8(C_NULL)
    if cls is bool:
        return write_boolean(buf, value is True)
    if cls is bytes:
        return put_sized(buf, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), C_VBIN8)
    if cls is float:
        return write_double(buf, value)
    if cls is SYMBOL:
        return write_symbol(buf, value)
    if cls is dict:
        return write_map(buf, value, depth)
    if cls is list:
        return write_list(buf, value, depth)
    return write_kind(buf, value, kind_of(value), depth)


cdef int write_kind(Buffer buf, object value, int kind, int depth) except -1:
    if K_UBYTE <= kind <= K_INT:
        return write_int_kind(buf, value, kind)
    if kind == K_LONG:
        return write_python_int(buf, value)
    if kind == K_STRING:
        return write_string(buf, value)
    if kind == K_SYMBOL:
        return write_symbol(buf, value)
    if kind == K_BINARY:
        return write_binary(buf, value)
    if kind == K_DOUBLE:
        return write_double(buf, value)
    if kind == K_LIST:
        return write_list(buf, value, depth)
    if kind == K_MAP:
        return write_map(buf, value, depth)
    if kind == K_ARRAY:
        return write_array(buf, value, depth)
    if kind == K_DESCRIBED:
        return write_described(buf, value.descriptor, value.value, depth)
    if kind == K_COMPOSITE:
        return write_composite_at(buf, value, depth)
    if kind == K_BOOLEAN:
        return write_boolean(buf, to_boolean(value))
    buf.put_u8(fixed_code(kind))
    return put_fixed(buf, value, kind)


# --- compounds --------------------------------------------------------------------------------------------------------

cdef Py_ssize_t begin_compound(Buffer buf, Py_ssize_t count, uint8_t narrow) except -1:
    """Write a constructor with room for size and count, as wide as the count suggests; return where it is."""
    cdef Py_ssize_t mark = buf.length
    buf.reserve(9)
    buf.data[mark] = narrow + 0x10 if count > 127 else narrow
    buf.length += 9 if count > 127 else 3
    return mark


cdef int finish_compound(Buffer buf, Py_ssize_t mark, Py_ssize_t count, uint8_t narrow) except -1:
    """Fill in size and count, after a move of the body if it needs the other width."""
    cdef bint is_wide = buf.data[mark] != narrow
    cdef Py_ssize_t body = buf.length - mark - (9 if is_wide else 3)
    cdef bint wide = body + 1 > 255 or count > 255
    if wide != is_wide:
        buf.reserve(6)
        memmove(buf.data + mark + (9 if wide else 3), buf.data + mark + (9 if is_wide else 3), body)
        buf.length += 6 if wide else -6
    if not wide:
        buf.data[mark] = narrow
        buf.data[mark + 1] = <uint8_t>(body + 1)
        buf.data[mark + 2] = <uint8_t>count
        return 0
    if <uint64_t>body > 0xFFFFFFFFULL - 4 or <uint64_t>count > 0xFFFFFFFFULL:
        refuse(f"{body} bytes of {count} elements are more than a size field can say")
    buf.data[mark] = narrow + 0x10
    store_u32(buf.data + mark + 1, <uint32_t>(body + 4))
    store_u32(buf.data + mark + 5, <uint32_t>count)
    return 0


cdef int write_list(Buffer buf, object value, int depth) except -1:
    enter(depth)
    cdef Py_ssize_t count = len(value)
    if count == 0:
        return buf.put_u8(C_LIST0)
    cdef Py_ssize_t mark = begin_compound(buf, count, C_LIST8)
    write_items(buf, value, depth - 1)
    return finish_compound(buf, mark, count, C_LIST8)


cdef Py_ssize_t write_items(Buffer buf, object value, int depth) except -1:
    """The items of a list or tuple; return how many."""
    cdef Py_ssize_t count = PySequence_Fast_GET_SIZE(value)
    cdef Py_ssize_t i = 0
    try:
        while i < PySequence_Fast_GET_SIZE(value):
            item = <object>PySequence_Fast_GET_ITEM(value, i)
            write_value(buf, item, depth)
            i += 1
    except EncodeError as error:
        add_path(error, f"[{i}]")
        raise
    if i != count:
        refuse("a list was changed while it was encoded")
    return count


cdef int write_map(Buffer buf, object value, int depth) except -1:
    enter(depth)
    cdef Py_ssize_t mark = begin_compound(buf, 2 * len(value), C_MAP8)
    cdef Py_ssize_t count = write_entries(buf, value, depth - 1)
    return finish_compound(buf, mark, count, C_MAP8)


cdef Py_ssize_t write_entries(Buffer buf, object value, int depth) except -1:
    """The keys and values of a mapping, in its order; return how many items that made."""
    cdef PyObject* key_at = NULL
    cdef PyObject* value_at = NULL
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t written = 0
    cdef set seen = None
    cdef bint in_key = False
    key = None
    if type(value) is not dict:
        return write_pairs(buf, value.items(), depth)
    cdef Py_ssize_t count = PyDict_Size(value)
    try:
        while PyDict_Next(value, &position, &key_at, &value_at):
            key = <object>key_at
            item = <object>value_at
            in_key = True
            seen = write_key(buf, key, depth, seen)
            in_key = False
            write_value(buf, item, depth)
            written += 1
            if PyDict_Size(value) != count:
                refuse("a map was changed while it was encoded")
    except EncodeError as error:
        add_path(error, f".keys()[{written}]" if in_key else f"[{key!r:.{KEY_SHOWN}}]")
        raise
    return 2 * written


cdef Py_ssize_t write_pairs(Buffer buf, object pairs, int depth) except -1:
    """The same for a mapping that is no dict, by what its items() gives."""
    cdef Py_ssize_t written = 0
    cdef set seen = None
    cdef bint in_key = False
    key = None
    try:
        for key, item in pairs:
            in_key = True
            seen = write_key(buf, key, depth, seen)
            in_key = False
            write_value(buf, item, depth)
            written += 1
    except EncodeError as error:
        add_path(error, f".keys()[{written}]" if in_key else f"[{key!r:.{KEY_SHOWN}}]")
        raise
    return 2 * written


cdef inline set write_key(Buffer buf, object key, int depth, set seen):
    """Write a map's key; return those so far, of the types of which two may differ here and be the same on the wire."""
    cdef type cls = type(key)
    cdef Py_ssize_t mark = buf.length
    if cls is str:
        write_string(buf, key)
        return seen
    write_value(buf, key, depth)
    if cls is SYMBOL or cls is int or cls is bytes:
        return seen
    if seen is None:
        seen = set()
    check_new(buf.copy(mark), seen)
    return seen


cdef int check_new(bytes key, set seen) except -1:
    """Refuse a key that was written before: Python tells datetimes apart by the microsecond, NaNs by their identity."""
    if key in seen:
        refuse("the same key twice in a map")
    seen.add(key)
    return 0


cdef int write_described(Buffer buf, object descriptor, object value, int depth) except -1:
    enter(depth)
    buf.put_u8(C_DESCRIBED)
    try:
        write_value(buf, descriptor, depth - 1)
    except EncodeError as error:
        add_path(error, ".descriptor")
        raise
    try:
        return write_value(buf, value, depth - 1)
    except EncodeError as error:
        add_path(error, ".value")
        raise


# --- the public face --------------------------------------------------------------------------------------------------

cdef Buffer spare = Buffer()


cdef Buffer take_buffer():
    """An empty buffer; most often the one that the last call gave back."""
    global spare
    cdef Buffer buf = spare
    spare = None
    return Buffer() if buf is None else buf


cdef int give_buffer(Buffer buf) except -1:
    global spare
    buf.clear()
    spare = buf
    return 0


def encode(object value, *, Py_ssize_t max_depth=DEFAULT_MAX_DEPTH):
    """Encode a value by the smallest constructors that hold it.

    Args:
        value: a value of the types that `amqp10.types` lists, or a composite.
        max_depth: how deep lists, maps, arrays and described values may nest; 256 at most.

    Returns:
        The bytes.

    Raises:
        EncodeError: the value, or one in it that the error's `path` names, has no AMQP type or is out of its range.
    """
    cdef Limits limits
    set_limits(&limits, max_depth, 0)
    cdef Buffer buf = take_buffer()
    try:
        write_value(buf, value, limits.max_depth)
        return buf.copy()
    finally:
        give_buffer(buf)

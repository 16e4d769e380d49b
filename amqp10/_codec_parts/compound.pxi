# Reading a value of any type (types.xml, "Compound Type Definitions", "Described Types"), passing over one, and the
# public decode(). Depth counts down: it is how many more levels of lists, maps, arrays and described values may open.

cdef object MAP = types.Map
cdef type DESCRIBED = types.Described


cdef int fail_depth(Cursor* c) except -1:
    return fail_at(c, c.pos - 1, "nested too deep")


cdef int fail_code(Cursor* c, uint8_t code) except -1:
    return fail_at(c, c.pos - 1, f"unknown constructor 0x{code:02x}")


cdef object read_value(Cursor* c, Limits* limits, int depth, bint typed):
    """Read one value.

    `typed` is for the fields of performatives: there a described value whose descriptor is registered becomes that
    composite; elsewhere it stays Described, for it is an application's.
    """
    return read_by_code(c, limits, depth, typed, read_u8(c))


cdef object read_by_code(Cursor* c, Limits* limits, int depth, bint typed, uint8_t code):
    """Read the data of one value whose constructor was read."""
    cdef const uint8_t* p
    cdef Py_ssize_t n
    if code == C_STR8 or code == C_STR32:
        p = read_sized(c, code == C_STR32, &n)
        return make_string(c, p, n)
    elif code == C_SMALLLONG:
        return <long><int8_t>read_u8(c)
    elif code == C_SYM8 or code == C_SYM32:
        p = read_sized(c, code == C_SYM32, &n)
        return make_symbol(c, p, n)
    elif code == C_VBIN8 or code == C_VBIN32:
        p = read_sized(c, code == C_VBIN32, &n)
        return PyBytes_FromStringAndSize(<const char*>p, n)
    elif code == C_NULL:
        return None
    elif code == C_TRUE:
        return True
    elif code == C_FALSE:
        return False
    elif code == C_BOOLEAN:
        return bool(read_boolean_byte(c))
    elif code == C_LONG:
        return <int64_t>read_u64(c)
    elif code == C_SMALLUINT:
        return make_unsigned(K_UINT, read_u8(c))
    elif code == C_SMALLULONG:
        return make_unsigned(K_ULONG, read_u8(c))
    elif code == C_UINT0:
        return make_unsigned(K_UINT, 0)
    elif code == C_ULONG0:
        return make_unsigned(K_ULONG, 0)
    elif code == C_UBYTE:
        return make_unsigned(K_UBYTE, read_u8(c))
    elif code == C_USHORT:
        return make_unsigned(K_USHORT, read_u16(c))
    elif code == C_UINT:
        return make_unsigned(K_UINT, read_u32(c))
    elif code == C_ULONG:
        return make_unsigned(K_ULONG, read_u64(c))
    elif code == C_SMALLINT:
        return make_signed(K_INT, <int8_t>read_u8(c))
    elif code == C_BYTE:
        return make_signed(K_BYTE, <int8_t>read_u8(c))
    elif code == C_SHORT:
        return make_signed(K_SHORT, <int16_t>read_u16(c))
    elif code == C_INT:
        return make_signed(K_INT, <int32_t>read_u32(c))
    elif code == C_DOUBLE:
        return PyFloat_FromDouble(double_of_bits(read_u64(c)))
    elif code == C_FLOAT:
        return make_float(read_u32(c))
    elif code == C_TIMESTAMP:
        return make_timestamp(<int64_t>read_u64(c))
    elif code == C_CHAR:
        return make_char(c, read_u32(c))
    elif code == C_UUID or code == C_DECIMAL128:
        need(c, 16)
        c.pos += 16
        return make_uuid(c.pos - 16) if code == C_UUID else make_decimal(c.pos - 16, 2)
    elif code == C_DECIMAL64:
        need(c, 8)
        c.pos += 8
        return make_decimal(c.pos - 8, 1)
    elif code == C_DECIMAL32:
        need(c, 4)
        c.pos += 4
        return make_decimal(c.pos - 4, 0)
    elif code == C_MAP8 or code == C_MAP32:
        return read_map(c, limits, depth, typed, code == C_MAP32)
    elif code == C_LIST0:
        if depth <= 0:
            fail_depth(c)
        return []
    elif code == C_LIST8 or code == C_LIST32:
        return read_list(c, limits, depth, typed, code == C_LIST32)
    elif code == C_ARRAY8 or code == C_ARRAY32:
        return read_array(c, limits, depth, code == C_ARRAY32)
    elif code == C_DESCRIBED:
        return read_described(c, limits, depth, typed)
    fail_code(c, code)


# --- compounds --------------------------------------------------------------------------------------------------------

cdef struct Body:
    const uint8_t* outer_end
    Py_ssize_t count


cdef int open_body(Cursor* c, Limits* limits, int depth, bint wide, Body* body) except -1:
    """Read size and count, check both against what is left, and narrow the cursor to the body."""
    cdef Py_ssize_t size_width = 4 if wide else 1
    cdef uint64_t left, size, count
    if depth <= 0:
        fail_depth(c)
    need(c, 2 * size_width)
    size = load_u32(c.pos) if wide else c.pos[0]
    count = load_u32(c.pos + 4) if wide else c.pos[1]
    left = <uint64_t>(c.end - c.pos - size_width)
    if size > left or size < <uint64_t>size_width:
        fail(c, f"a size of {size} with {left} bytes left")
    if count > <uint64_t>limits.max_elements:
        fail(c, f"a count of {count}, more than {limits.max_elements}")
    body.outer_end = c.end
    body.count = <Py_ssize_t>count
    c.end = c.pos + size_width + <Py_ssize_t>size
    c.pos += 2 * size_width
    return 0


cdef inline int close_body(Cursor* c, Body* body) except -1:
    if c.pos != c.end:
        fail(c, f"{c.end - c.pos} bytes beyond the last element")
    c.end = body.outer_end
    return 0


cdef inline int check_count(Cursor* c, Body* body) except -1:
    """Every item of a list or a map has at least its constructor."""
    if body.count > c.end - c.pos:
        fail(c, f"a count of {body.count} in {c.end - c.pos} bytes")
    return 0


cdef list read_list(Cursor* c, Limits* limits, int depth, bint typed, bint wide):
    cdef Body body
    cdef Py_ssize_t i
    open_body(c, limits, depth, wide, &body)
    check_count(c, &body)
    cdef list items = PyList_New(body.count)
    for i in range(body.count):
        item = read_value(c, limits, depth - 1, typed)
        Py_INCREF(item)
        PyList_SET_ITEM(items, i, item)
    close_body(c, &body)
    return items


cdef object read_map(Cursor* c, Limits* limits, int depth, bint typed, bint wide):
    """A dict, as long as Python keeps the keys apart; from the first key on that it would not, a Map."""
    cdef Body body
    cdef const uint8_t* start = c.pos - 1
    cdef dict entries = {}
    cdef list pairs = None
    cdef set hashes = None
    cdef Py_ssize_t i
    cdef uint8_t code
    open_body(c, limits, depth, wide, &body)
    check_count(c, &body)
    if body.count & 1:
        fail_at(c, start, f"a map of {body.count} items: a key without a value")
    for i in range(body.count // 2):
        code = read_u8(c)
        if code == C_STR8:
            key = read_short_key(c)
        else:
            key = read_by_code(c, limits, depth - 1, False, code)
        value = read_value(c, limits, depth - 1, typed)
        if pairs is None:
            if code >= C_LIST8 or code < C_TRUE or is_odd_key(code):
                if hashes is None:
                    hashes = set()
                if not fits_dict(key, code, hashes):
                    pairs = list(entries.items())
            if pairs is None:
                PyDict_SetDefault(entries, key, value)
                if PyDict_Size(entries) == i + 1:
                    continue
                pairs = list(entries.items())
        pairs.append((key, value))
    close_body(c, &body)
    return entries if pairs is None else make_map(c, start, pairs)


cdef inline object read_short_key(Cursor* c):
    cdef Py_ssize_t n
    cdef const uint8_t* p = read_sized(c, False, &n)
    return make_key(c, p, n)


cdef inline bint is_odd_key(uint8_t code) noexcept:
    """Whether a key of this constructor may be one that a dict loses or refuses, or that a peer can make collide."""
    return (
        code == C_DOUBLE or code == C_FLOAT or code == C_UUID or code == C_LIST0
        or code == C_DECIMAL32 or code == C_DECIMAL64 or code == C_DECIMAL128
    )


cdef bint fits_dict(object key, uint8_t code, set hashes) except -1:
    """Whether a dict can hold such a key; `hashes` has those of the earlier UUIDs and decimals.

    Hashes of UUIDs and decimals are not keyed: a peer could send thousands that share one, and each would be compared
    with each. Those of numbers of 64 bits cannot collide by the dozen. So where two are alike, a Map takes over, whose
    hashes are keyed.
    """
    if code >= C_LIST8 or code == C_LIST0 or code == C_DESCRIBED:
        return False
    if code == C_NULL:
        return True
    if code == C_DOUBLE or code == C_FLOAT:
        return key == key
    if code != C_UUID and key.is_nan():
        return False
    number = hash(key)
    if number in hashes:
        return False
    hashes.add(number)
    return True


cdef object make_map(Cursor* c, const uint8_t* start, list pairs):
    try:
        return MAP(pairs)
    except ValueError as error:
        fail_at(c, start, str(error))
    except RecursionError:
        fail_at(c, start, "a key nested too deep")  # for what is left of Python's own stack


cdef object read_described(Cursor* c, Limits* limits, int depth, bint typed):
    """A described value whose 0x00 was read."""
    cdef CompositeTable table
    if depth <= 0:
        fail_depth(c)
    if typed:
        table = read_known_descriptor(c)
        if table is not None:
            return read_composite_body(c, limits, depth - 1, table)
    descriptor = read_value(c, limits, depth - 1, False)
    value = read_value(c, limits, depth - 1, typed)
    return make_described(descriptor, value)


cdef inline object make_described(object descriptor, object value):
    made = DESCRIBED.__new__(DESCRIBED)
    PyObject_GenericSetAttr(made, "descriptor", descriptor)  # past the class' own guard against assignment
    PyObject_GenericSetAttr(made, "value", value)
    return made


# --- passing over -----------------------------------------------------------------------------------------------------

cdef int skip_value(Cursor* c, Limits* limits, int depth) except -1:
    """Pass over one value by the sizes it states, without a look inside."""
    cdef uint8_t code = read_u8(c)
    while code == C_DESCRIBED:
        if depth <= 0:
            fail_depth(c)
        depth -= 1
        skip_value(c, limits, depth)  # the descriptor
        code = read_u8(c)
    return skip_data(c, code)


cdef int skip_data(Cursor* c, uint8_t code) except -1:
    cdef int width = code_width[code]
    cdef Py_ssize_t n
    if width < 0:
        fail_code(c, code)
    if width >= SIZED_8:
        read_sized(c, width == SIZED_32, &n)
        return 0
    need(c, width)
    c.pos += width
    return 0


# --- the public face --------------------------------------------------------------------------------------------------

def decode(object buffer, *, Py_ssize_t max_depth=DEFAULT_MAX_DEPTH, Py_ssize_t max_elements=DEFAULT_MAX_ELEMENTS,
           object max_size=None):
    """Decode the one value that a buffer holds.

    Args:
        buffer: bytes, or anything with the buffer protocol.
        max_depth: how deep lists, maps, arrays and described values may nest; 256 at most.
        max_elements: how many elements one list, map or array may have, and how many without bytes of their own (as
            in an array of nulls) all of them together.
        max_size: how many bytes the buffer may have; None for any number.

    Returns:
        The value; its type says which AMQP type it was (see `amqp10.types`). Described values are always `Described`.

    Raises:
        DecodeError: the bytes are no AMQP value, or more than one, or beyond a limit.
    """
    cdef Py_buffer view
    cdef Cursor c
    cdef Limits limits
    set_limits(&limits, max_depth, max_elements)
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        check_size(view.len, max_size)
        open_cursor(&c, <const uint8_t*>view.buf, view.len)
        value = read_value(&c, &limits, limits.max_depth, False)
        close_cursor(&c)
        return value
    finally:
        PyBuffer_Release(&view)


cdef int check_size(Py_ssize_t size, object max_size) except -1:
    if max_size is not None and size > max_size:
        raise DecodeError(f"{size} bytes, more than {max_size}", offset=0)
    return 0


cdef int close_cursor(Cursor* c) except -1:
    if c.pos != c.end:
        fail(c, f"{c.end - c.pos} bytes beyond the value")
    return 0

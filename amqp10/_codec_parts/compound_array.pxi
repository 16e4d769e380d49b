# Arrays (types.xml, "array"): one constructor, perhaps described, then the elements' data alone.

cdef type ARRAY = types.Array


# --- reading ----------------------------------------------------------------------------------------------------------

cdef object read_array(Cursor* c, Limits* limits, int depth, bint wide):
    cdef Body body
    cdef uint8_t code
    open_body(c, limits, depth, wide, &body)
    descriptor = None
    code = read_u8(c)
    if code == C_DESCRIBED:
        descriptor = read_descriptors(c, limits, depth - 1)
        code = read_u8(c)
    if code_width[code] < 0:
        fail_code(c, code)
    check_elements(c, limits, code, body.count)
    items = read_elements(c, limits, depth - 1, code, body.count)
    close_body(c, &body)
    return make_array(code_kind[code], items, descriptor)


cdef object read_descriptors(Cursor* c, Limits* limits, int depth):
    """The elements' descriptor, or a tuple of several. The cursor is past the first 0x00, and stops before a code."""
    if depth <= 0:
        fail_depth(c)
    descriptors = [read_value(c, limits, depth - 1, False)]
    need(c, 1)
    while c.pos[0] == C_DESCRIBED:
        depth -= 1
        c.pos += 1
        if depth <= 0:
            fail_depth(c)
        descriptors.append(read_value(c, limits, depth - 1, False))
        need(c, 1)
    return descriptors[0] if len(descriptors) == 1 else tuple(descriptors)


cdef int check_elements(Cursor* c, Limits* limits, uint8_t code, Py_ssize_t count) except -1:
    """Compare a count with the bytes that so many elements need at least, or with the limit where they need none."""
    cdef int width = code_width[code]
    cdef Py_ssize_t least = width if width < SIZED_8 else 1 if width == SIZED_8 else 4
    if width >= SIZED_8 and code >= C_LIST8:
        least *= 2  # a count beside the size
    if least == 0:
        if count > limits.elements_left:
            fail(c, f"{count} elements without bytes, {limits.elements_left} more allowed")
        limits.elements_left -= count
    elif count > (c.end - c.pos) // least:
        fail(c, f"a count of {count} in {c.end - c.pos} bytes")
    return 0


cdef list read_elements(Cursor* c, Limits* limits, int depth, uint8_t code, Py_ssize_t count):
    cdef Py_ssize_t i
    cdef list items = PyList_New(count)
    for i in range(count):
        item = read_by_code(c, limits, depth, False, code)
        Py_INCREF(item)
        PyList_SET_ITEM(items, i, item)
    return items


cdef object make_array(int kind, list items, object descriptor):
    made = ARRAY.__new__(ARRAY)
    PyList_SetSlice(made, 0, 0, items)
    PyObject_GenericSetAttr(made, "element_type", KIND_NAMES[kind])
    PyObject_GenericSetAttr(made, "descriptor", descriptor)
    return made


# --- writing ----------------------------------------------------------------------------------------------------------

cdef int write_array(Buffer buf, object value, int depth) except -1:
    cdef list items = <list>value
    enter(depth)
    cdef Py_ssize_t mark = begin_compound(buf, PyList_GET_SIZE(items), C_ARRAY8)
    write_array_tail(buf, items, value, depth)
    return finish_compound(buf, mark, PyList_GET_SIZE(items), C_ARRAY8)


cdef int write_array_tail(Buffer buf, list items, object value, int depth) except -1:
    """What follows the count: descriptor, constructor, elements."""
    cdef Py_ssize_t count = PyList_GET_SIZE(items)
    cdef object kind = KIND_BY_NAME.get(value.element_type)
    if kind is None:
        refuse(f"no type of the specification: {value.element_type!r}")
    if value.descriptor is not None:
        write_array_descriptors(buf, value.descriptor, depth - 1)
    write_elements(buf, items, kind, depth - 1)
    if PyList_GET_SIZE(items) != count:
        refuse("an array was changed while it was encoded")
    return 0


cdef int write_array_descriptors(Buffer buf, object descriptor, int depth) except -1:
    try:
        for each in descriptor if isinstance(descriptor, tuple) else (descriptor,):
            buf.put_u8(C_DESCRIBED)
            enter(depth)
            depth -= 1
            write_value(buf, each, depth)
    except EncodeError as error:
        add_path(error, ".descriptor")
        raise
    return 0


cdef int write_elements(Buffer buf, list items, int kind, int depth) except -1:
    """The constructor and the elements' data."""
    if K_UBYTE <= kind <= K_LONG:
        return write_int_elements(buf, items, kind)
    if K_BINARY <= kind <= K_ARRAY:
        return write_sized_elements(buf, items, kind, depth)
    buf.put_u8(fixed_code(kind))
    cdef Py_ssize_t i = 0
    try:
        while i < PyList_GET_SIZE(items):
            put_fixed(buf, items[i], kind)
            i += 1
    except EncodeError as error:
        add_path(error, f"[{i}]")
        raise
    return 0


cdef uint8_t fixed_code(int kind) noexcept:
    """The constructor of an array's elements for the types that have one width only."""
    if kind == K_NULL:
        return C_NULL
    if kind == K_BOOLEAN:
        return C_BOOLEAN  # true and false have none in common but this
    if kind == K_FLOAT:
        return C_FLOAT
    if kind == K_DOUBLE:
        return C_DOUBLE
    if kind == K_DECIMAL32:
        return C_DECIMAL32
    if kind == K_DECIMAL64:
        return C_DECIMAL64
    if kind == K_DECIMAL128:
        return C_DECIMAL128
    if kind == K_CHAR:
        return C_CHAR
    return C_TIMESTAMP if kind == K_TIMESTAMP else C_UUID


cdef int put_fixed(Buffer buf, object item, int kind) except -1:
    """An element's data, without a constructor."""
    if kind == K_NULL:
        return 0 if item is None else refuse_type(item, "null")
    if kind == K_BOOLEAN:
        return buf.put_u8(to_boolean(item))
    if kind == K_FLOAT:
        return buf.put_u32(to_float_bits(to_float(item, "float")))
    if kind == K_DOUBLE:
        return buf.put_u64(bits_of_double(PyFloat_AS_DOUBLE(to_float(item, "double"))))
    if kind == K_CHAR:
        return buf.put_u32(to_char(item))
    if kind == K_TIMESTAMP:
        return buf.put_u64(<uint64_t>to_milliseconds(item))
    if kind == K_UUID:
        return put_uuid(buf, item)
    return put_decimal(buf, item, kind - K_DECIMAL32)


cdef bint to_boolean(object value) except -1:
    if value is True or value is False:
        return value is True
    if isinstance(value, types.Role):
        return value == 1
    refuse_type(value, "boolean")


cdef object to_float(object value, str wanted):
    if not isinstance(value, float):
        refuse_type(value, wanted)
    return value


cdef int write_int_elements(Buffer buf, list items, int kind) except -1:
    """Integers by the narrowest constructor that holds them all; the zero-width ones are left to single values."""
    cdef Py_ssize_t i = 0
    cdef uint8_t code
    cdef bint narrow
    try:
        narrow = has_narrow(kind)
        for i in range(PyList_GET_SIZE(items)):
            narrow = check_int(items[i], kind) and narrow
    except EncodeError as error:
        add_path(error, f"[{i}]")
        raise
    code = int_code(kind, narrow)
    buf.put_u8(code)
    buf.reserve(PyList_GET_SIZE(items) * code_width[code])
    # Nothing of Python's ran since the check: ints and their subclasses are read as they are.
    for item in items:
        put_int(buf, item, code_width[code], kind == K_ULONG)
    return 0


cdef inline bint has_narrow(int kind) noexcept:
    return kind == K_UINT or kind == K_ULONG or kind == K_INT or kind == K_LONG


cdef bint check_int(object item, int kind) except -1:
    """Refuse what the type cannot hold; return whether its constructor of one byte would do."""
    cdef int64_t number
    if kind == K_ULONG:
        return to_ulong(item) < 256
    if kind == K_UINT:
        return to_signed(item, 0, 0xFFFFFFFF, "uint") < 256
    if kind == K_LONG:
        number = to_signed(item, INT64_MIN, INT64_MAX, "long")
    elif kind == K_INT:
        number = to_signed(item, -0x80000000LL, 0x7FFFFFFFLL, "int")
    elif kind == K_UBYTE:
        number = to_signed(item, 0, 0xFF, "ubyte")
    elif kind == K_USHORT:
        number = to_signed(item, 0, 0xFFFF, "ushort")
    elif kind == K_BYTE:
        number = to_signed(item, -0x80, 0x7F, "byte")
    else:
        number = to_signed(item, -0x8000, 0x7FFF, "short")
    return -128 <= number < 128


cdef uint8_t int_code(int kind, bint narrow) noexcept:
    if kind == K_UBYTE:
        return C_UBYTE
    if kind == K_USHORT:
        return C_USHORT
    if kind == K_UINT:
        return C_SMALLUINT if narrow else C_UINT
    if kind == K_ULONG:
        return C_SMALLULONG if narrow else C_ULONG
    if kind == K_BYTE:
        return C_BYTE
    if kind == K_SHORT:
        return C_SHORT
    if kind == K_INT:
        return C_SMALLINT if narrow else C_INT
    return C_SMALLLONG if narrow else C_LONG


cdef inline int put_int(Buffer buf, object item, int width, bint is_ulong) except -1:
    cdef uint64_t number = to_ulong(item) if is_ulong else <uint64_t>PyLong_AsLongLong(item)
    if width == 1:
        return buf.put_u8(<uint8_t>number)
    if width == 2:
        return buf.put_u16(<uint16_t>number)
    if width == 4:
        return buf.put_u32(<uint32_t>number)
    return buf.put_u64(number)


# Elements that state their size must all do so in one width. They are written wide; if all of them turn out to fit the
# narrow one they are moved together. Trying narrow first would write an element again at each level it is nested in.

cdef int write_sized_elements(Buffer buf, list items, int kind, int depth) except -1:
    cdef Py_ssize_t mark = buf.length
    cdef Py_ssize_t count = PyList_GET_SIZE(items)
    cdef uint8_t wide = sized_code(kind)
    cdef Py_ssize_t i = 0
    buf.put_u8(wide)
    try:
        while i < PyList_GET_SIZE(items):
            put_wide(buf, items[i], kind, depth)
            i += 1
    except EncodeError as error:
        add_path(error, f"[{i}]")
        raise
    if PyList_GET_SIZE(items) != count:
        refuse("an array was changed while it was encoded")
    if all_narrow(buf, mark + 1, kind >= K_LIST):
        buf.data[mark] = wide - 0x10
        move_together(buf, mark + 1, kind >= K_LIST)
    return 0


cdef uint8_t sized_code(int kind) noexcept:
    if kind == K_BINARY:
        return C_VBIN32
    if kind == K_STRING:
        return C_STR32
    if kind == K_SYMBOL:
        return C_SYM32
    if kind == K_LIST:
        return C_LIST32
    return C_MAP32 if kind == K_MAP else C_ARRAY32


cdef int put_wide(Buffer buf, object item, int kind, int depth) except -1:
    """An element's data with a size, and a count where it is compound, of four bytes."""
    cdef Py_ssize_t mark = buf.length
    cdef Py_ssize_t count = 0
    buf.put_u32(0)
    if kind < K_LIST:
        put_text(buf, item, kind)
    else:
        buf.put_u32(0)
        count = put_body(buf, item, kind, depth)
        if <uint64_t>count > 0xFFFFFFFFULL:
            refuse(f"{count} elements are more than a count can say")
        store_u32(buf.data + mark + 4, <uint32_t>count)
    if <uint64_t>(buf.length - mark - 4) > 0xFFFFFFFFULL:
        refuse("an element is longer than its size can say")
    store_u32(buf.data + mark, <uint32_t>(buf.length - mark - 4))
    return 0


cdef int put_text(Buffer buf, object item, int kind) except -1:
    cdef Py_buffer view
    if kind == K_BINARY:
        get_bytes(item, &view)
        try:
            return buf.put_bytes(view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
    if not isinstance(item, str):
        refuse_type(item, KIND_NAMES[kind])
    if kind == K_SYMBOL:
        check_symbol(item)
    if is_ascii(item):
        return buf.put_bytes(PyUnicode_1BYTE_DATA(item), PyUnicode_GET_LENGTH(item))
    cdef bytes utf8 = to_utf8(item)
    return buf.put_bytes(PyBytes_AS_STRING(utf8), PyBytes_GET_SIZE(utf8))


cdef Py_ssize_t put_body(Buffer buf, object item, int kind, int depth) except -1:
    """The body of a list, map or array that is an element; return its count."""
    enter(depth)
    if kind == K_LIST:
        if isinstance(item, ARRAY) or not isinstance(item, (list, tuple)):
            refuse_type(item, "list")
        return write_items(buf, item, depth - 1)
    if kind == K_MAP:
        if not isinstance(item, Mapping):
            refuse_type(item, "map")
        return write_entries(buf, item, depth - 1)
    if not isinstance(item, ARRAY):
        refuse_type(item, "array")
    write_array_tail(buf, <list>item, item, depth)
    return PyList_GET_SIZE(item)


cdef bint all_narrow(Buffer buf, Py_ssize_t at, bint counted) noexcept:
    """Whether sizes (and counts) of the wide elements from `at` on would fit one byte."""
    cdef Py_ssize_t size
    while at < buf.length:
        size = load_u32(buf.data + at)
        # the size covers the count, which shrinks too
        if size - (3 if counted else 0) > 255 or (counted and load_u32(buf.data + at + 4) > 255):
            return False
        at += 4 + size
    return True


cdef void move_together(Buffer buf, Py_ssize_t at, bint counted) noexcept:
    """Rewrite the wide elements from `at` on as narrow ones, in place."""
    cdef Py_ssize_t source = at
    cdef Py_ssize_t size
    while source < buf.length:
        size = load_u32(buf.data + source)
        source += 4
        if counted:
            buf.data[at] = <uint8_t>(size - 3)
            buf.data[at + 1] = buf.data[source + 3]
            at += 2
            source += 4
            size -= 4
        else:
            buf.data[at] = <uint8_t>size
            at += 1
        memmove(buf.data + at, buf.data + source, size)
        at += size
        source += size
    buf.length = at

# The sections of a message, one at a time: what tells them apart, how each is read and written (§3.2).

cdef int section_index(int code) noexcept:
    """Map a descriptor's code to the place of the section; the three bodies share one."""
    if code < BODY_DATA:
        return code - FIRST_SECTION
    return S_BODY if code <= BODY_VALUE else S_FOOTER


# --- reading ----------------------------------------------------------------------------------------------------------

cdef int read_section_code(Cursor* c) except -1:
    """Read a section's descriptor, numeric in any of its forms or symbolic; return its code."""
    cdef const uint8_t* start = c.pos
    cdef uint64_t descriptor = 0
    cdef uint8_t code
    if read_u8(c) != C_DESCRIBED:
        fail_at(c, start, f"a {describe_code(start[0])} where a section belongs")
    code = read_u8(c)
    if code == C_SMALLULONG:
        descriptor = read_u8(c)
    elif code == C_ULONG:
        descriptor = read_u64(c)
    elif code == C_SYM8 or code == C_SYM32:
        descriptor = read_section_symbol(c, code == C_SYM32)
    if not FIRST_SECTION <= descriptor <= FOOTER_SECTION:
        fail_at(c, start, "an unknown section")
    return <int>descriptor


cdef uint64_t read_section_symbol(Cursor* c, bint wide) except? 0xEEEE:
    """Read a symbolic descriptor; return its code, or 0 for one that is none of a section's."""
    cdef Py_ssize_t n
    cdef const uint8_t* p = read_sized(c, wide, &n)
    cdef bytes known
    for index, known in enumerate(SECTION_DESCRIPTORS):
        if n == PyBytes_GET_SIZE(known) and memcmp(p, PyBytes_AS_STRING(known), n) == 0:
            return FIRST_SECTION + <uint64_t>index
    return 0


cdef object read_section_composite(Cursor* c, Limits* limits, int code):
    """Read the list that a header or properties section is."""
    return read_composite_body(c, limits, limits.max_depth, composite_table(code))


cdef object read_data(Cursor* c):
    """Read the binary of a data section."""
    cdef const uint8_t* p
    cdef Py_ssize_t n
    cdef uint8_t code = read_u8(c)
    if code != C_VBIN8 and code != C_VBIN32:
        fail_at(c, c.pos - 1, f"a {describe_code(code)} where the binary of a data section belongs")
    p = read_sized(c, code == C_VBIN32, &n)
    return PyBytes_FromStringAndSize(<const char*>p, n)


cdef object read_sequence(Cursor* c, Limits* limits):
    """Read the list of an amqp-sequence section."""
    cdef uint8_t code = c.pos[0]  # there, for the section was passed over before
    if code != C_LIST0 and code != C_LIST8 and code != C_LIST32:
        fail(c, f"a {describe_code(code)} where the list of an amqp-sequence section belongs")
    return read_value(c, limits, limits.max_depth, False)


# --- writing ----------------------------------------------------------------------------------------------------------

cdef inline int put_section(Buffer buf, uint8_t code) except -1:
    """Write the descriptor of a section."""
    buf.reserve(3)
    buf.data[buf.length] = C_DESCRIBED
    buf.data[buf.length + 1] = C_SMALLULONG
    buf.data[buf.length + 2] = code
    buf.length += 3
    return 0


cdef int write_section(Buffer buf, int index, object value, int depth) except -1:
    """Write a section other than the body, with all that the specification asks of its content."""
    try:
        if index == S_HEADER or index == S_PROPERTIES:
            return write_section_composite(buf, FIRST_SECTION + index, value, depth)
        put_section(buf, FOOTER_SECTION if index == S_FOOTER else FIRST_SECTION + index)
        return write_section_map(buf, value, depth - 1, index == S_APPLICATION_PROPERTIES)
    except EncodeError as error:
        add_path(error, SECTION_NAMES[index])
        raise


cdef int write_section_composite(Buffer buf, int code, object value, int depth) except -1:
    cdef CompositeTable table = composite_table(code)
    if not isinstance(value, table.cls):
        refuse_type(value, f"a {table.cls.__name__}")
    return write_composite_at(buf, value, depth)


cdef int write_section_map(Buffer buf, object value, int depth, bint simple) except -1:
    cdef Py_ssize_t mark
    cdef Py_ssize_t count = 0
    if not isinstance(value, (dict, Mapping)):
        refuse_type(value, "a mapping")
    mark = begin_compound(buf, 2 * len(value), C_MAP8)
    for key, item in value.items():
        if simple:
            write_property(buf, key, item, depth)
        else:
            write_annotation(buf, key, item, depth)
        count += 2
    return finish_compound(buf, mark, count, C_MAP8)


cdef int write_property(Buffer buf, object key, object value, int depth) except -1:
    """Write an application property: a str and a simple value (§3.2.5)."""
    cdef Py_ssize_t start
    if not isinstance(key, str):
        refuse(f"a key must be a str: {key!r:.{KEY_SHOWN}}")
    try:
        write_string(buf, key)
        start = buf.length
        write_value(buf, value, depth)
        if buf.data[start] == C_DESCRIBED or code_kind[buf.data[start]] >= K_LIST:
            refuse_type(value, "a simple value")
    except EncodeError as error:
        add_path(error, f"[{key!r:.{KEY_SHOWN}}]")
        raise
    return 0


cdef int write_annotation(Buffer buf, object key, object value, int depth) except -1:
    """Write an annotation: a symbol, or a ulong as the specification reserves it (§3.2.10), and any value."""
    try:
        if isinstance(key, str):
            write_symbol(buf, key)
        elif isinstance(key, types.ULong):
            write_ulong(buf, to_ulong(key))
        else:
            refuse_type(key, "a symbol for a key")
        return write_value(buf, value, depth)
    except EncodeError as error:
        add_path(error, f"[{key!r:.{KEY_SHOWN}}]")
        raise


cdef int write_body(Buffer buf, BodyKind kind, object value, int depth, list segments) except -1:
    """Write the body's sections."""
    try:
        if kind == BODY_VALUE:
            put_section(buf, BODY_VALUE)
            return write_value(buf, value, depth)
        if kind == BODY_DATA:
            for part in (value.parts if isinstance(value, Data) else (value,)):
                write_data(buf, part, segments)
        else:
            for part in (value.lists if isinstance(value, AmqpSequence) else (value,)):
                put_section(buf, BODY_SEQUENCE)
                write_list(buf, part, depth)
    except EncodeError as error:
        add_path(error, "body")
        raise
    return 0


cdef int write_data(Buffer buf, bytes part, list segments) except -1:
    """Write a data section; where segments are collected, a large part becomes one without being copied."""
    put_section(buf, BODY_DATA)
    if segments is None or PyBytes_GET_SIZE(part) < SHARE_BODY:
        return write_binary_at(buf, PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part))
    put_wide_size(buf, PyBytes_GET_SIZE(part), C_VBIN32)
    segments.append(buf.copy())
    segments.append(part)
    buf.truncate(0)
    return 0


cdef int write_any(Buffer buf, object value, int depth) except -1:
    """Write a section's value without a look at what it may hold, only to compare it."""
    if isinstance(value, AmqpSequence):
        return write_value(buf, (<AmqpSequence>value).lists, depth)
    return write_value(buf, value, depth)


# --- what deliveries are made of --------------------------------------------------------------------------------------

cdef list encode_content(object content, object header):
    """Encode what is to be sent as segments, one at least; `header` goes before it if it has none."""
    cdef Message message
    cdef list segments = []
    cdef Buffer buf = take_buffer()
    try:
        message = content if isinstance(content, Message) else Message(content)
        message.write_segments(buf, header, segments)
    finally:
        give_buffer(buf)
    return segments


cdef Message message_over(bytes payload, uint32_t message_format):
    """Make a message of a delivery's payload; nothing of it is looked at yet."""
    cdef Message message = Message.__new__(Message)
    set_limits(&message.limits, STANDARD_DEPTH, STANDARD_ELEMENTS)
    message.message_format = message_format
    message.begin_scan(b"" if payload is None else payload)
    return message


# --- helpers ----------------------------------------------------------------------------------------------------------

cdef bytes as_bytes(object data):
    """Give a buffer's content as bytes, without a copy if that is what it is."""
    if type(data) is bytes:
        return data
    if not PyObject_CheckBuffer(data):
        raise TypeError(f"a bytes-like object is needed, not {type(data).__name__}")
    return bytes(data)


cdef object unwrap(object body, tuple parts):
    """Give the only section of a body, or the body as it is."""
    return parts[0] if len(parts) == 1 else body


cdef bint is_immutable(object value) noexcept:
    """Say whether a value that was read cannot have been changed in place."""
    cdef type cls = type(value)
    return value is None or cls is bytes or cls is str or cls is int or cls is bool or cls is float or cls is Data


cdef bint equal_messages(Message left, Message right) except -1:
    """Compare by format, kind of body, and the values of all sections; what is malformed equals the same bytes."""
    cdef int index
    if left.message_format != right.message_format:
        return False
    if left.raw is not None and left.raw == right.raw and left.changes() == right.changes() == 0:
        return True
    try:
        if left.body_type != right.body_type:
            return False
        for index in range(SECTIONS):
            if left.section(index) != right.section(index):
                return False
    except DecodeError:
        return False
    return True


cdef str describe_message(Message message):
    """Name the sections and the kind and size of the body; content may be long, or secret."""
    cdef int index
    try:
        message.scan(SECTIONS)
    except DecodeError as error:
        return f"<{type(message).__name__} malformed: {error}>"
    names = [SECTION_NAMES[index] for index in range(SECTIONS) if index != S_BODY and message.states[index] != ABSENT]
    names.append(f"body={describe_body(message)}")
    return f"<{type(message).__name__} {' '.join(names)}>"


cdef str describe_body(Message message):
    """Say what the body is without showing it."""
    kind = BODY_TYPES.get(message.body_kind)
    value = message.body_value
    if kind is None:
        return "none"
    if message.states[S_BODY] == RAW:
        return f"{kind}:{message.spans[S_BODY].end - message.spans[S_BODY].start} bytes encoded"
    if isinstance(value, bytes):
        return f"{kind}:{len(value)} bytes"
    return f"{kind}:{type(value).__name__}"

# Composites (types.xml, "Composite Types"): described lists of named fields, encoded and decoded by the tables that
# `amqp10.composite` registers. The fields are the slots of the class; the tables know where in the object each is.

cdef enum:
    SASL_FIRST = 0x40
    SASL_LAST = 0x44

cdef PyObject* tables_by_small_code[256]
cdef dict tables_by_code = {}
cdef dict tables_by_symbol = {}   # by the bytes of the symbol
cdef dict tables_by_class = {}

# The names of types that tables use beside the primitive ones, each with the kind it is.
cdef dict FIELD_KINDS = {
    **KIND_BY_NAME, "milliseconds": K_UINT, "seconds": K_UINT, "address": K_STRING, "fields": K_FIELDS,
    "filter-set": K_FIELDS, "message-id": K_MESSAGE_ID, "*": K_ANY,
}


@cython.final
cdef class Field:
    """One field of a composite: the specification's type, and what holds where it is absent.

    Attributes:
        type: the specification's name of the type; "*" for any, a composite's name for that composite.
        default: the value of a field that is absent.
        mandatory: whether absence is an error.
        multiple: whether an array of values may stand there.
        always: whether the value is written even where it is the default.
    """

    cdef readonly str type
    cdef readonly object default
    cdef readonly bint mandatory
    cdef readonly bint multiple
    cdef readonly bint always
    cdef str name               # the attribute
    cdef str label              # the specification's name, after the composite's: "open.container-id"
    cdef int kind
    cdef Py_ssize_t offset      # of the slot in the object

    def __init__(self, str type not None, object default, bint mandatory, bint multiple, bint always):
        self.kind = FIELD_KINDS.get(type, K_COMPOSITE)
        if multiple and self.kind > K_ARRAY:
            raise ValueError(f"no array has elements of type {type!r}")
        self.type = type
        self.default = default
        self.mandatory = mandatory
        self.multiple = multiple
        self.always = always

    cdef inline PyObject** slot(self, object composite) noexcept:
        return <PyObject**>(<char*><PyObject*>composite + self.offset)

    cdef inline object get(self, object composite):
        cdef PyObject* value = self.slot(composite)[0]
        return None if value == NULL else <object>value

    cdef inline void set(self, object composite, object value) noexcept:
        cdef PyObject** slot = self.slot(composite)
        cdef PyObject* old = slot[0]
        Py_INCREF(value)
        slot[0] = <PyObject*>value
        Py_XDECREF(old)


@cython.final
cdef class CompositeTable:
    """How a class of composites is encoded."""

    cdef object cls             # its metaclass is its own, so no exact type
    cdef str name               # the specification's: "open", "sasl-init"
    cdef bytes symbol
    cdef uint64_t code
    cdef tuple fields
    cdef Py_ssize_t count       # of fields
    cdef object shared          # the one instance that is decoded where there are no fields

    cdef inline Field field(self, Py_ssize_t index):
        return <Field>PyTuple_GET_ITEM(self.fields, index)

    cdef inline bint is_sasl(self) noexcept:
        return SASL_FIRST <= self.code <= SASL_LAST


cdef CompositeTable table_of(object composite):
    """The table of a composite's class, or of the first of its bases that has one."""
    cdef PyObject* found = PyDict_GetItem(tables_by_class, <object>Py_TYPE(composite))
    if found != NULL:
        return <CompositeTable>found
    for base in type(composite).__mro__:
        found = PyDict_GetItem(tables_by_class, base)
        if found != NULL:
            return <CompositeTable>found
    raise TypeError(f"{type(composite).__name__} has no descriptor")


cdef class CompositeBase:
    # the first line in the form from which inspect takes the signature
    """CompositeBase(**fields)\n--\n
    What every composite has by its table: construction by keywords, comparison by fields, a short text.
    """

    def __init__(self, **fields):
        cdef CompositeTable table = table_of(self)
        cdef Py_ssize_t used = 0
        cdef Py_ssize_t i
        cdef Field field
        cdef PyObject* given
        for i in range(table.count):
            field = table.field(i)
            given = PyDict_GetItem(fields, field.name)
            if given != NULL:
                used += 1
                field.set(self, <object>given)
            elif field.mandatory:
                raise TypeError(f"{type(self).__name__}() needs {field.name}")
            else:
                field.set(self, field.default)
        if used != len(fields):
            names = {(<Field>each).name for each in table.fields}
            raise TypeError(f"{type(self).__name__}() has no {', '.join(sorted(set(fields) - names))}")

    def __eq__(self, other):
        cdef CompositeTable table
        cdef Field field
        cdef Py_ssize_t i
        if self is other:
            return True
        if not isinstance(other, CompositeBase):
            return NotImplemented
        table = table_of(self)
        if table_of(other) is not table:
            return False
        for i in range(table.count):
            field = table.field(i)
            if not equal_fields(field, field.get(self), field.get(other)):
                return False
        return True

    __hash__ = None

    def __repr__(self):
        cdef CompositeTable table = table_of(self)
        cdef Field field
        cdef list shown = []
        for field in table.fields:
            value = field.get(self)
            if not (value is field.default or value == field.default) or field.mandatory:
                shown.append(f"{field.name}={show_field(table, field, value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self):
        cdef CompositeTable table = table_of(self)
        return _make_composite, (type(self), tuple([(<Field>each).get(self) for each in table.fields]))


cdef str show_field(CompositeTable table, Field field, object value):
    """What SASL carries may be a password, and must not reach a log."""
    if table.is_sasl() and field.kind == K_BINARY and value is not None:
        return f"<{len(value)} bytes>"
    return repr(value)


cdef bint equal_fields(Field field, object one, object other) except -1:
    """Whether two values of a field mean the same; a single value and a sequence of one do."""
    if one is other:
        return True
    if field.multiple:
        return as_values(one) == as_values(other)
    return one == other


cdef list as_values(object value):
    """The values of a field that may be multiple; null and the empty array both mean none."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _make_composite(cls, values):
    """Rebuild a composite from the values of its fields: what pickles name."""
    composite = cls.__new__(cls)
    cdef CompositeTable table = table_of(composite)
    cdef Field field
    for field, value in zip(table.fields, values, strict=True):
        field.set(composite, value)
    return composite


def register_composite(cls, str descriptor not None, object code, object fields):
    """Register a class of composites, whose instances have a slot per field, under both its descriptors."""
    cdef CompositeTable table = CompositeTable.__new__(CompositeTable)
    cdef Field field
    if not (isinstance(cls, type) and issubclass(cls, CompositeBase)):
        raise TypeError(f"{cls!r} does not derive from CompositeBase")
    symbol = descriptor.encode("ascii")
    if code in tables_by_code or symbol in tables_by_symbol:
        raise ValueError(f"{descriptor} is registered already")
    table.cls = cls
    table.name = descriptor.removeprefix("amqp:").removesuffix(":list")
    table.symbol = symbol
    table.code = code
    for name, field in fields.items():
        field.name = name
        field.label = f"{table.name}.{name.replace('_', '-')}"
        field.offset = slot_offset(cls, name)
    table.fields = tuple(fields.values())
    table.count = len(table.fields)
    if table.count == 0:
        table.shared = cls.__new__(cls)
    enter_table(table)


cdef int enter_table(CompositeTable table) except -1:
    tables_by_code[table.code] = tables_by_symbol[table.symbol] = tables_by_class[table.cls] = table
    if table.code < 256:
        tables_by_small_code[table.code] = <PyObject*>table  # tables_by_code holds it
    return 0


cdef Py_ssize_t slot_offset(object cls, str name) except -1:
    """Where in an instance a slot is."""
    cdef PyMemberDescrObject* descriptor
    member = cls.__dict__.get(name)
    if not isinstance(member, MemberDescriptorType):
        raise TypeError(f"{cls.__name__}.{name} is no slot")
    descriptor = <PyMemberDescrObject*><PyObject*>member
    return descriptor.d_member.offset


# --- reading ----------------------------------------------------------------------------------------------------------

cdef CompositeTable lookup_descriptor(Cursor* c):
    """The table that a described value at the cursor belongs to; the cursor then is past the descriptor.

    None, and the cursor where it was, for all else.
    """
    cdef CompositeTable table
    if c.end == c.pos or c.pos[0] != C_DESCRIBED:
        return None
    c.pos += 1
    table = read_known_descriptor(c)
    if table is None:
        c.pos -= 1
    return table


cdef CompositeTable read_known_descriptor(Cursor* c):
    """The same where the 0x00 was read."""
    cdef const uint8_t* start = c.pos
    cdef PyObject* found = NULL
    cdef const uint8_t* p
    cdef Py_ssize_t n
    cdef uint8_t code = read_u8(c)
    if code == C_SMALLULONG:
        found = tables_by_small_code[read_u8(c)]
    elif code == C_ULONG:
        found = PyDict_GetItem(tables_by_code, read_u64(c))
    elif code == C_ULONG0:
        found = tables_by_small_code[0]
    elif code == C_SYM8 or code == C_SYM32:
        p = read_sized(c, code == C_SYM32, &n)
        found = PyDict_GetItem(tables_by_symbol, PyBytes_FromStringAndSize(<const char*>p, n))
    if found == NULL:
        c.pos = start
        return None
    return <CompositeTable>found


cdef int fail_field(Cursor* c, const uint8_t* at, Field field, str message) except -1:
    return fail_at(c, at, f"{field.label}: {message}")


cdef object read_composite_body(Cursor* c, Limits* limits, int depth, CompositeTable table):
    """The list of a composite's fields, whose descriptor was read."""
    cdef const uint8_t* start = c.pos
    cdef uint8_t code = read_u8(c)
    cdef Body body
    cdef Py_ssize_t i
    if code == C_LIST0:
        return default_composite(c, start, table, None, 0)
    if code != C_LIST8 and code != C_LIST32:
        fail_at(c, start, f"{table.name}: {describe_code(code)} where a list belongs")
    open_body(c, limits, depth + 1, code == C_LIST32, &body)  # its level was counted with the descriptor's
    check_count(c, &body)
    if table.count == 0:
        read_surplus(c, table, 0, body.count)
        close_body(c, &body)
        return table.shared
    composite = subclass_new(table.cls)
    for i in range(min(body.count, table.count)):
        read_field(c, limits, depth, table.field(i), composite)
    read_surplus(c, table, table.count, body.count)
    close_body(c, &body)
    return default_composite(c, start, table, composite, min(body.count, table.count))


cdef object default_composite(
    Cursor* c, const uint8_t* start, CompositeTable table, object composite, Py_ssize_t first
):
    """Fill in the fields from `first` on, which are absent; None makes a new composite."""
    cdef Field field
    cdef Py_ssize_t i
    if table.count == 0:
        return table.shared
    if composite is None:
        composite = subclass_new(table.cls)
    for i in range(first, table.count):
        field = table.field(i)
        if field.mandatory:
            fail_field(c, start, field, "mandatory, but absent")
        field.set(composite, field.default)
    return composite


cdef tuple NO_ARGUMENTS = ()


cdef inline object subclass_new(object cls):
    return (<PyTypeObject*><PyObject*>cls).tp_new(<type>cls, <PyObject*>NO_ARGUMENTS, NULL)


cdef int read_surplus(Cursor* c, CompositeTable table, Py_ssize_t first, Py_ssize_t count) except -1:
    """What follows the fields that are known: nulls, or the peer means something that we do not."""
    for _ in range(first, count):
        if read_u8(c) != C_NULL:
            fail_at(c, c.pos - 1, f"{table.name}: more fields than its {table.count}")
    return 0


cdef int read_field(Cursor* c, Limits* limits, int depth, Field field, object composite) except -1:
    cdef const uint8_t* start = c.pos
    cdef uint8_t code = read_u8(c)
    if code == C_NULL:
        if field.mandatory:
            fail_field(c, start, field, "mandatory, but null")
        field.set(composite, field.default)
        return 0
    if field.multiple:
        value = read_multiple(c, limits, depth, field, code)
    else:
        value = read_typed(c, limits, depth, field, code)
    field.set(composite, value)
    return 0


cdef object read_typed(Cursor* c, Limits* limits, int depth, Field field, uint8_t code):
    """A field's value of the type its table names; its constructor was read."""
    cdef int kind = field.kind
    cdef int found = code_kind[code] if code != C_DESCRIBED else K_DESCRIBED
    if kind == found:
        if K_UBYTE <= kind <= K_LONG:
            return read_plain_int(c, code)
        return read_by_code(c, limits, depth, True, code)
    if kind == K_ANY:
        return read_by_code(c, limits, depth, True, code)
    if kind == K_FIELDS and found == K_MAP:
        return read_symbol_map(c, limits, depth, field, code)
    if kind == K_MESSAGE_ID:
        if found == K_ULONG:
            return read_plain_int(c, code)
        if found == K_UUID or found == K_BINARY or found == K_STRING:
            return read_by_code(c, limits, depth, True, code)
    if kind == K_COMPOSITE and found == K_DESCRIBED:
        return read_nested(c, limits, depth, field)
    fail_field(c, c.pos - 1, field, f"{describe_code(code)} where {field.type} belongs")


cdef object read_symbol_map(Cursor* c, Limits* limits, int depth, Field field, uint8_t code):
    """A map whose keys are symbols. Some peers send strings there; what could not be written as a symbol is refused."""
    cdef const uint8_t* start = c.pos - 1
    values = read_by_code(c, limits, depth, True, code)
    for key in values:
        if type(key) is not SYMBOL and (type(key) is not str or not is_ascii(key)):
            fail_field(c, start, field, f"{type(key).__name__} where a symbol belongs as key")
    if type(values) is not dict:  # a Map: Python found a key equal to another
        fail_field(c, start, field, "the same key as a symbol and as a string")
    return values


cdef object read_nested(Cursor* c, Limits* limits, int depth, Field field):
    """A field that is a composite itself; its 0x00 was read."""
    cdef const uint8_t* start = c.pos - 1
    cdef CompositeTable table = read_known_descriptor(c)
    if table is None or table.name != field.type:
        fail_field(c, start, field, f"another described value where {field.type} belongs")
    if depth <= 0:
        fail_depth(c)
    return read_composite_body(c, limits, depth - 1, table)


cdef object read_multiple(Cursor* c, Limits* limits, int depth, Field field, uint8_t code):
    """A list of values from an array or from a single one; an empty array is as null (types.xml)."""
    cdef const uint8_t* start = c.pos - 1
    if code_kind[code] != K_ARRAY:
        return [read_typed(c, limits, depth, field, code)]
    values = read_by_code(c, limits, depth, True, code)
    if KIND_BY_NAME[values.element_type] != field.kind or values.descriptor is not None:
        fail_field(c, start, field, f"an array of {values.element_type} where {field.type} belongs")
    if values:
        return list(values)
    if field.mandatory:
        fail_field(c, start, field, "mandatory, but empty")
    return field.default


# --- writing ----------------------------------------------------------------------------------------------------------

cdef int write_composite(Buffer buf, object composite) except -1:
    """Write a composite that stands on its own: paths of errors begin with its name."""
    try:
        return write_composite_at(buf, composite, STANDARD_DEPTH)
    except EncodeError as error:
        add_path(error, table_of(composite).name)
        raise


cdef int write_composite_at(Buffer buf, object composite, int depth) except -1:
    cdef CompositeTable table = table_of(composite)
    cdef Py_ssize_t mark
    cdef Py_ssize_t count = 0
    enter(depth)
    buf.put_u8(C_DESCRIBED)
    write_ulong(buf, table.code)
    mark = begin_compound(buf, table.count, C_LIST8)
    count = write_fields(buf, composite, table, depth - 1)
    if count == 0:
        buf.truncate(mark)
        return buf.put_u8(C_LIST0)
    return finish_compound(buf, mark, count, C_LIST8)


cdef Py_ssize_t write_fields(Buffer buf, object composite, CompositeTable table, int depth) except -1:
    """The fields up to the last that is not null; return how many."""
    cdef Py_ssize_t nulls = 0
    cdef Py_ssize_t i = 0
    cdef Field field = None
    try:
        for i in range(table.count):
            field = table.field(i)
            value = field.get(composite)
            if is_absent(field, value):
                nulls += 1
                continue
            while nulls:
                buf.put_u8(C_NULL)
                nulls -= 1
            write_field(buf, field, value, depth)
    except EncodeError as error:
        add_path(error, f".{field.name}")
        raise
    return table.count - nulls


cdef bint is_absent(Field field, object value) except -1:
    """Whether null says the same as the value."""
    if value is None or (field.multiple and isinstance(value, (list, tuple)) and not value):
        if field.mandatory:
            refuse("mandatory, but absent")
        return True
    return not field.always and field.default is not None and (value is field.default or value == field.default)


cdef int write_field(Buffer buf, Field field, object value, int depth) except -1:
    if field.multiple and isinstance(value, (list, tuple)):
        return write_array(buf, make_array(field.kind, list(value), None), depth)
    return write_typed(buf, field, value, depth)


cdef int write_typed(Buffer buf, Field field, object value, int depth) except -1:
    """A value as the type that the table names."""
    cdef int kind = field.kind
    if K_UBYTE <= kind <= K_LONG:
        return write_int_kind(buf, value, kind)
    if kind == K_BOOLEAN:
        return write_boolean(buf, to_boolean(value))
    if kind == K_STRING or kind == K_SYMBOL:
        if not isinstance(value, str):
            refuse_type(value, field.type)
        return write_symbol(buf, value) if kind == K_SYMBOL else write_string(buf, value)
    if kind == K_BINARY:
        return write_binary(buf, value)
    if kind == K_ANY:
        return write_value(buf, value, depth)
    if kind == K_FIELDS:
        return write_symbol_map(buf, value, depth)
    if kind == K_MESSAGE_ID:
        return write_message_id(buf, value)
    if kind == K_COMPOSITE:
        if not isinstance(value, CompositeBase) or table_of(value).name != field.type:
            refuse_type(value, field.type)
    elif kind == K_TIMESTAMP:
        return buf.put_code_u64(C_TIMESTAMP, <uint64_t>to_milliseconds(value))
    elif not suits_kind(value, kind):
        refuse_type(value, field.type)
    return write_value(buf, value, depth)


cdef bint suits_kind(object value, int kind) except -1:
    """Whether a value of itself is written as the kind; for those kinds that no field's type but their own has."""
    return value is not None and kind_of(value) == kind


cdef int write_message_id(Buffer buf, object value) except -1:
    """An id: one of four types (messaging.xml, "message-id-ulong" and its like)."""
    if isinstance(value, str):
        return write_string(buf, value)
    if isinstance(value, UUID):
        buf.put_u8(C_UUID)
        return put_uuid(buf, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return write_ulong(buf, to_ulong(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return write_binary(buf, value)
    return refuse_type(value, "message-id")


cdef int write_symbol_map(Buffer buf, object value, int depth) except -1:
    """A map whose keys are symbols (transport.xml, "fields"; messaging.xml, "filter-set"); a str becomes one."""
    cdef Py_ssize_t written = 0
    cdef Py_ssize_t mark
    key = None
    if not isinstance(value, Mapping):
        refuse_type(value, "map")
    enter(depth)
    mark = begin_compound(buf, 2 * len(value), C_MAP8)
    try:
        for key, item in value.items():
            if not isinstance(key, str):
                refuse_type(key, "a symbol as key")
            write_symbol(buf, key)
            write_value(buf, item, depth - 1)
            written += 2
    except EncodeError as error:
        add_path(error, f"[{key!r:.{KEY_SHOWN}}]")
        raise
    return finish_compound(buf, mark, written, C_MAP8)


# --- the face to Python -----------------------------------------------------------------------------------------------

def encode_composite(CompositeBase value not None):
    """Encode one composite, with its descriptor."""
    cdef Buffer buf = take_buffer()
    try:
        write_composite(buf, value)
        return buf.copy()
    finally:
        give_buffer(buf)


def decode_composite(object buffer, *, Py_ssize_t max_depth=DEFAULT_MAX_DEPTH,
                     Py_ssize_t max_elements=DEFAULT_MAX_ELEMENTS):
    """Decode one value; described values become composites where their descriptors are registered."""
    cdef Py_buffer view
    cdef Cursor c
    cdef Limits limits
    set_limits(&limits, max_depth, max_elements)
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        open_cursor(&c, <const uint8_t*>view.buf, view.len)
        value = read_value(&c, &limits, limits.max_depth, True)
        close_cursor(&c)
        return value
    finally:
        PyBuffer_Release(&view)

# The primitive types of fixed and variable width (types.xml, "Primitive Type Definitions"), but those that need an
# object of the standard library (primitives_wide). A writer chooses the smallest constructor; a reader takes any.

cdef enum Code:
    C_DESCRIBED = 0x00
    C_NULL = 0x40
    C_TRUE = 0x41
    C_FALSE = 0x42
    C_UINT0 = 0x43
    C_ULONG0 = 0x44
    C_LIST0 = 0x45
    C_UBYTE = 0x50
    C_BYTE = 0x51
    C_SMALLUINT = 0x52
    C_SMALLULONG = 0x53
    C_SMALLINT = 0x54
    C_SMALLLONG = 0x55
    C_BOOLEAN = 0x56
    C_USHORT = 0x60
    C_SHORT = 0x61
    C_UINT = 0x70
    C_INT = 0x71
    C_FLOAT = 0x72
    C_CHAR = 0x73
    C_DECIMAL32 = 0x74
    C_ULONG = 0x80
    C_LONG = 0x81
    C_DOUBLE = 0x82
    C_TIMESTAMP = 0x83
    C_DECIMAL64 = 0x84
    C_DECIMAL128 = 0x94
    C_UUID = 0x98
    C_VBIN8 = 0xA0
    C_STR8 = 0xA1
    C_SYM8 = 0xA3
    C_VBIN32 = 0xB0
    C_STR32 = 0xB1
    C_SYM32 = 0xB3
    C_LIST8 = 0xC0
    C_MAP8 = 0xC1
    C_LIST32 = 0xD0
    C_MAP32 = 0xD1
    C_ARRAY8 = 0xE0
    C_ARRAY32 = 0xF0

cdef enum Kind:
    # the primitive types, in the order of KIND_NAMES
    K_NULL
    K_BOOLEAN
    K_UBYTE
    K_USHORT
    K_UINT
    K_ULONG
    K_BYTE
    K_SHORT
    K_INT
    K_LONG
    K_FLOAT
    K_DOUBLE
    K_DECIMAL32
    K_DECIMAL64
    K_DECIMAL128
    K_CHAR
    K_TIMESTAMP
    K_UUID
    K_BINARY
    K_STRING
    K_SYMBOL
    K_LIST
    K_MAP
    K_ARRAY
    # what else write_value meets
    K_DESCRIBED
    K_COMPOSITE
    # what else a table of fields names
    K_ANY
    K_FIELDS
    K_MESSAGE_ID

cdef enum:
    # code_width of what states its size: in one byte, in four
    SIZED_8 = 32
    SIZED_32 = 33
    CACHE_BITS = 10
    CACHE_SLOTS = 1 << CACHE_BITS
    CACHED_SYMBOL = 64    # longer ones are not cached
    CACHED_STRING = 32

cdef tuple KIND_NAMES = (
    "null", "boolean", "ubyte", "ushort", "uint", "ulong", "byte", "short", "int", "long", "float", "double",
    "decimal32", "decimal64", "decimal128", "char", "timestamp", "uuid", "binary", "string", "symbol",
    "list", "map", "array",
)

cdef dict KIND_BY_NAME = {name: kind for kind, name in enumerate(KIND_NAMES)}

# By constructor: the bytes that follow it (-1: there is no such constructor), and the type it makes.
cdef int8_t code_width[256]
cdef int8_t code_kind[256]


cdef int fill_code_tables() except -1:
    cdef int code
    for code in range(256):
        code_width[code] = code_kind[code] = -1
    for kind, codes in (
        (K_NULL, (C_NULL,)), (K_BOOLEAN, (C_TRUE, C_FALSE, C_BOOLEAN)),
        (K_UBYTE, (C_UBYTE,)), (K_USHORT, (C_USHORT,)), (K_UINT, (C_UINT0, C_SMALLUINT, C_UINT)),
        (K_ULONG, (C_ULONG0, C_SMALLULONG, C_ULONG)), (K_BYTE, (C_BYTE,)), (K_SHORT, (C_SHORT,)),
        (K_INT, (C_SMALLINT, C_INT)), (K_LONG, (C_SMALLLONG, C_LONG)), (K_FLOAT, (C_FLOAT,)),
        (K_DOUBLE, (C_DOUBLE,)), (K_DECIMAL32, (C_DECIMAL32,)), (K_DECIMAL64, (C_DECIMAL64,)),
        (K_DECIMAL128, (C_DECIMAL128,)), (K_CHAR, (C_CHAR,)), (K_TIMESTAMP, (C_TIMESTAMP,)), (K_UUID, (C_UUID,)),
        (K_BINARY, (C_VBIN8, C_VBIN32)), (K_STRING, (C_STR8, C_STR32)), (K_SYMBOL, (C_SYM8, C_SYM32)),
        (K_LIST, (C_LIST0, C_LIST8, C_LIST32)), (K_MAP, (C_MAP8, C_MAP32)), (K_ARRAY, (C_ARRAY8, C_ARRAY32)),
    ):
        for each in codes:
            code = each
            code_kind[code] = kind
            # the upper half of a format code is its category (types.xml, "Encodings")
            code_width[code] = (0, 1, 2, 4, 8, 16, SIZED_8, SIZED_32, SIZED_8, SIZED_32, SIZED_8, SIZED_32)[
                (code >> 4) - 4
            ]
    return 0


fill_code_tables()

cdef str describe_code(uint8_t code):
    """What a constructor makes, for messages."""
    if code == C_DESCRIBED:
        return "described value"
    if code_kind[code] < 0:
        return f"unknown constructor 0x{code:02x}"
    return KIND_NAMES[code_kind[code]]


# --- objects ----------------------------------------------------------------------------------------------------------

# The classes of types.py check what they are given; what was decoded needs no check, so it is made by the built-in's
# own constructor. Instances of small value are made once.

cdef tuple INT_CLASSES = (
    None, None, types.UByte, types.UShort, types.UInt, types.ULong, types.Byte, types.Short, types.Int,
)
cdef type SYMBOL = types.Symbol
cdef type CHAR = types.Char
cdef type FLOAT32 = types.Float32
cdef type TIMESTAMP = types.Timestamp
cdef PyObject* small_ints[9][256]
cdef PyObject* symbol_cache[CACHE_SLOTS]
cdef PyObject* string_cache[CACHE_SLOTS]


cdef inline object subclass_instance(type base, type cls, object value):
    cdef tuple arguments = (value,)
    return (<PyTypeObject*>base).tp_new(cls, <PyObject*>arguments, NULL)


cdef object make_typed(int kind, object value, int small):
    """Make a UByte … Int of a value known to fit; `small` is the slot of a small one, or -1."""
    if small < 0:
        return subclass_instance(int, <type>INT_CLASSES[kind], value)
    if small_ints[kind][small] == NULL:
        made = subclass_instance(int, <type>INT_CLASSES[kind], value)
        Py_INCREF(made)
        small_ints[kind][small] = <PyObject*>made
    return <object>small_ints[kind][small]


cdef inline object make_unsigned(int kind, uint64_t value):
    if value < 256 and small_ints[kind][value] != NULL:
        return <object>small_ints[kind][value]
    return make_typed(kind, value, <int>value if value < 256 else -1)


cdef inline object make_signed(int kind, int64_t value):
    cdef bint is_small = -128 <= value < 128
    if is_small and small_ints[kind][<uint8_t>value] != NULL:
        return <object>small_ints[kind][<uint8_t>value]
    return make_typed(kind, value, <int><uint8_t>value if is_small else -1)


cdef inline uint64_t mix(uint64_t state, uint64_t sample) noexcept:
    """One round of a hash; its upper bits depend on all of the sample's."""
    state ^= sample
    return (state ^ (state >> 32)) * 0x9E3779B97F4A7C15ULL


cdef inline uint32_t cache_slot(const uint8_t* p, Py_ssize_t n) noexcept:
    """Hash the length and three samples of eight bytes: the cost does not grow with the text."""
    cdef uint64_t sample = 0
    cdef uint64_t state = <uint64_t>n
    if n < 8:
        memcpy(&sample, p, n)
        return <uint32_t>(mix(state, sample) >> (64 - CACHE_BITS))
    memcpy(&sample, p, 8)
    state = mix(state, sample)
    memcpy(&sample, p + (n - 8) // 2, 8)
    state = mix(state, sample)
    memcpy(&sample, p + n - 8, 8)
    return <uint32_t>(mix(state, sample) >> (64 - CACHE_BITS))


cdef inline bint is_text(PyObject* cached, const uint8_t* p, Py_ssize_t n) noexcept:
    """Whether an entry of a cache, which is ASCII, has these bytes."""
    return (
        cached != NULL
        and PyUnicode_GET_LENGTH(<object>cached) == n
        and memcmp(PyUnicode_1BYTE_DATA(<object>cached), p, n) == 0
    )


cdef inline int keep_text(PyObject** slot, object text) except -1:
    cdef PyObject* old = slot[0]
    Py_INCREF(text)
    slot[0] = <PyObject*>text
    Py_XDECREF(old)
    return 0


cdef object make_symbol(Cursor* c, const uint8_t* p, Py_ssize_t n):
    cdef PyObject** slot = NULL
    if n <= CACHED_SYMBOL:
        slot = &symbol_cache[cache_slot(p, n)]
        if is_text(slot[0], p, n):
            return <object>slot[0]
    try:
        text = PyUnicode_DecodeASCII(<const char*>p, n, NULL)
    except UnicodeDecodeError as error:
        fail_at(c, p + <Py_ssize_t>error.start, "a symbol is ASCII only")
    symbol = subclass_instance(str, SYMBOL, text)
    if slot != NULL:
        keep_text(slot, symbol)
    return symbol


cdef inline object make_string(Cursor* c, const uint8_t* p, Py_ssize_t n):
    try:
        return PyUnicode_DecodeUTF8(<const char*>p, n, NULL)
    except UnicodeDecodeError as error:
        fail_at(c, p + <Py_ssize_t>error.start, f"not UTF-8: {error.reason}")


cdef object make_key(Cursor* c, const uint8_t* p, Py_ssize_t n):
    """A string that is a map's key: the same few come again and again."""
    if n > CACHED_STRING:
        return make_string(c, p, n)
    cdef PyObject** slot = &string_cache[cache_slot(p, n)]
    if is_text(slot[0], p, n):
        return <object>slot[0]
    text = make_string(c, p, n)
    if PyUnicode_GET_LENGTH(text) == n:  # as many characters as bytes: ASCII
        keep_text(slot, text)
    return text


cdef object make_char(Cursor* c, uint32_t point):
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        fail_at(c, c.pos - 4, f"no Unicode character: 0x{point:x}")
    return subclass_instance(str, CHAR, chr(point))


# Floats are moved as bits where they are NaNs: a conversion would set the quiet bit of a signaling one.

cdef double double_of_bits(uint64_t bits) noexcept:
    cdef double value
    memcpy(&value, &bits, 8)
    return value


cdef uint64_t bits_of_double(double value) noexcept:
    cdef uint64_t bits
    memcpy(&bits, &value, 8)
    return bits


cdef double double_of_float_bits(uint32_t bits) noexcept:
    cdef float value
    if (bits & 0x7F800000) == 0x7F800000 and bits & 0x7FFFFF:
        return double_of_bits(
            (<uint64_t>(bits >> 31) << 63) | (<uint64_t>0x7FF << 52) | (<uint64_t>(bits & 0x7FFFFF) << 29)
        )
    memcpy(&value, &bits, 4)
    return value


cdef uint32_t float_bits_of_double(double value) noexcept:
    cdef uint64_t bits = bits_of_double(value)
    cdef uint32_t fraction
    cdef float narrow
    if value != value:
        fraction = <uint32_t>(bits >> 29) & 0x7FFFFF
        return (<uint32_t>(bits >> 63) << 31) | 0x7F800000 | (fraction if fraction else 0x400000)
    narrow = <float>value
    memcpy(&fraction, &narrow, 4)
    return fraction


cdef inline object make_float(uint32_t bits):
    return subclass_instance(float, FLOAT32, PyFloat_FromDouble(double_of_float_bits(bits)))


# --- reading ----------------------------------------------------------------------------------------------------------

cdef inline const uint8_t* read_sized(Cursor* c, bint wide, Py_ssize_t* n) except NULL:
    """Read a size and pass what it covers; return where that is."""
    cdef uint32_t size = read_u32(c) if wide else read_u8(c)
    if <uint64_t>(c.end - c.pos) < size:
        fail_short(c, size)
    n[0] = <Py_ssize_t>size
    c.pos += size
    return c.pos - size


cdef inline bint read_boolean_byte(Cursor* c) except -1:
    cdef uint8_t value = read_u8(c)
    if value > 1:
        fail_at(c, c.pos - 1, f"a boolean is 0 or 1, not {value}")
    return value


cdef object read_plain_int(Cursor* c, uint8_t code):
    """An integer or its like as a plain int, whatever the width; the code is one of an integer type."""
    if code == C_SMALLUINT or code == C_SMALLULONG or code == C_UBYTE:
        return <long>read_u8(c)
    if code == C_UINT0 or code == C_ULONG0:
        return 0
    if code == C_UINT:
        return read_u32(c)
    if code == C_USHORT:
        return <long>read_u16(c)
    if code == C_ULONG:
        return read_u64(c)
    if code == C_SMALLINT or code == C_SMALLLONG or code == C_BYTE:
        return <long><int8_t>read_u8(c)
    if code == C_SHORT:
        return <long><int16_t>read_u16(c)
    if code == C_INT:
        return <long><int32_t>read_u32(c)
    return <int64_t>read_u64(c)  # long, timestamp


# --- writing ----------------------------------------------------------------------------------------------------------

cdef int refuse(str message) except -1:
    raise EncodeError(message)


cdef int refuse_type(object value, str wanted) except -1:
    raise EncodeError(f"{type(value).__name__} where {wanted} belongs")


cdef int refuse_range(object value, str wanted) except -1:
    # str() of an int has a limit of its own; a subclass' text is not asked for
    shown = int.__repr__(value) if value.bit_length() <= 128 else f"an int of {value.bit_length()} bits"
    raise EncodeError(f"{shown} is out of the range of {wanted}")


cdef int64_t to_signed(object value, int64_t low, int64_t high, str wanted) except? -0x5555:
    """The int of a Python int within bounds; anything else, and a bool, is refused."""
    cdef int overflow = 0
    if not isinstance(value, int) or isinstance(value, bool):
        refuse_type(value, wanted)
    cdef int64_t result = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow or not low <= result <= high:
        refuse_range(value, wanted)
    return result


cdef uint64_t to_ulong(object value) except? 0x5555:
    cdef int overflow = 0
    if not isinstance(value, int) or isinstance(value, bool):
        refuse_type(value, "ulong")
    cdef int64_t result = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow == 0 and result >= 0:
        return <uint64_t>result
    if overflow <= 0:
        refuse_range(value, "ulong")
    try:
        return PyLong_AsUnsignedLongLong(value)
    except OverflowError:
        refuse_range(value, "ulong")


cdef inline int write_null(Buffer buf) except -1:
    return buf.put_u8(C_NULL)


cdef inline int write_boolean(Buffer buf, bint value) except -1:
    return buf.put_u8(C_TRUE if value else C_FALSE)


cdef inline int write_uint(Buffer buf, uint32_t value) except -1:
    if value == 0:
        return buf.put_u8(C_UINT0)
    if value < 256:
        return buf.put_code(C_SMALLUINT, <uint8_t>value)
    return buf.put_code_u32(C_UINT, value)


cdef inline int write_ulong(Buffer buf, uint64_t value) except -1:
    if value == 0:
        return buf.put_u8(C_ULONG0)
    if value < 256:
        return buf.put_code(C_SMALLULONG, <uint8_t>value)
    return buf.put_code_u64(C_ULONG, value)


cdef inline int write_int(Buffer buf, int32_t value) except -1:
    if -128 <= value < 128:
        return buf.put_code(C_SMALLINT, <uint8_t>value)
    return buf.put_code_u32(C_INT, <uint32_t>value)


cdef inline int write_long(Buffer buf, int64_t value) except -1:
    if -128 <= value < 128:
        return buf.put_code(C_SMALLLONG, <uint8_t>value)
    return buf.put_code_u64(C_LONG, <uint64_t>value)


cdef int write_python_int(Buffer buf, object value) except -1:
    """A plain int: a long, or beyond that a ulong."""
    cdef int overflow = 0
    cdef int64_t result = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow == 0:
        return write_long(buf, result)
    if overflow < 0:
        refuse_range(value, "long")
    return write_ulong(buf, to_ulong(value))


cdef int write_int_kind(Buffer buf, object value, int kind) except -1:
    """An integer as the type that is asked for."""
    if kind == K_UINT:
        return write_uint(buf, <uint32_t>to_signed(value, 0, 0xFFFFFFFF, "uint"))
    if kind == K_ULONG:
        return write_ulong(buf, to_ulong(value))
    if kind == K_UBYTE:
        return buf.put_code(C_UBYTE, <uint8_t>to_signed(value, 0, 0xFF, "ubyte"))
    if kind == K_USHORT:
        return buf.put_code_u16(C_USHORT, <uint16_t>to_signed(value, 0, 0xFFFF, "ushort"))
    if kind == K_BYTE:
        return buf.put_code(C_BYTE, <uint8_t>to_signed(value, -0x80, 0x7F, "byte"))
    if kind == K_SHORT:
        return buf.put_code_u16(C_SHORT, <uint16_t>to_signed(value, -0x8000, 0x7FFF, "short"))
    if kind == K_INT:
        return write_int(buf, <int32_t>to_signed(value, -0x80000000LL, 0x7FFFFFFFLL, "int"))
    return write_long(buf, to_signed(value, INT64_MIN, INT64_MAX, "long"))


cdef inline int write_double(Buffer buf, object value) except -1:
    return buf.put_code_u64(C_DOUBLE, bits_of_double(PyFloat_AS_DOUBLE(value)))


cdef uint32_t to_float_bits(object value) except? 0x5555:
    cdef double number = PyFloat_AS_DOUBLE(value)
    cdef uint32_t bits = float_bits_of_double(number)
    if (bits & 0x7FFFFFFF) == 0x7F800000 and bits_of_double(number) << 1 != <uint64_t>0x7FF << 53:
        refuse(f"{number!r} is out of the range of float")
    return bits


cdef uint32_t to_char(object value) except? 0x5555:
    if not isinstance(value, str):
        refuse_type(value, "char")
    if PyUnicode_GET_LENGTH(value) != 1:
        refuse("a char is one character")
    cdef uint32_t point = <uint32_t>PyUnicode_READ_CHAR(value, 0)
    if 0xD800 <= point <= 0xDFFF:
        refuse("a char cannot be a surrogate")
    return point


cdef int put_sized(Buffer buf, const void* p, Py_ssize_t n, uint8_t narrow) except -1:
    """Constructor, size and bytes; the wide constructor is the narrow one plus 0x10."""
    if n < 256:
        buf.reserve(n + 2)
        buf.put_code(narrow, <uint8_t>n)
    else:
        put_wide_size(buf, n, narrow + 0x10)
    return buf.put_bytes(p, n)


cdef int put_wide_size(Buffer buf, Py_ssize_t n, uint8_t code) except -1:
    if <uint64_t>n > 0xFFFFFFFFULL:
        refuse(f"{n} bytes are more than a size field can say")
    buf.reserve(n + 5)
    return buf.put_code_u32(code, <uint32_t>n)


cdef inline bint is_ascii(object text) noexcept:
    return PyUnicode_IS_ASCII(text)


cdef bytes to_utf8(object text):
    try:
        return PyUnicode_AsUTF8String(text)
    except UnicodeEncodeError as error:
        refuse(f"no Unicode text: a lone surrogate at character {error.start}")


cdef int write_string(Buffer buf, object value) except -1:
    cdef bytes utf8
    if is_ascii(value):
        return put_sized(buf, PyUnicode_1BYTE_DATA(value), PyUnicode_GET_LENGTH(value), C_STR8)
    utf8 = to_utf8(value)
    return put_sized(buf, PyBytes_AS_STRING(utf8), PyBytes_GET_SIZE(utf8), C_STR8)


cdef int check_symbol(object value) except -1:
    if not is_ascii(value):
        refuse(f"a symbol is ASCII only: {value!r:.80}")
    return 0


cdef int write_symbol(Buffer buf, object value) except -1:
    check_symbol(value)
    return put_sized(buf, PyUnicode_1BYTE_DATA(value), PyUnicode_GET_LENGTH(value), C_SYM8)


cdef inline int write_binary_at(Buffer buf, const void* p, Py_ssize_t n) except -1:
    return put_sized(buf, p, n, C_VBIN8)


cdef int write_binary(Buffer buf, object value) except -1:
    """bytes, a bytearray or a memoryview."""
    cdef Py_buffer view
    if type(value) is bytes:
        return put_sized(buf, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), C_VBIN8)
    get_bytes(value, &view)
    try:
        return put_sized(buf, view.buf, view.len, C_VBIN8)
    finally:
        PyBuffer_Release(&view)


cdef int get_bytes(object value, Py_buffer* view) except -1:
    """Open a bytes-like value; whoever calls releases the view."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        refuse_type(value, "binary")
    try:
        return PyObject_GetBuffer(value, view, PyBUF_SIMPLE)
    except (BufferError, ValueError) as error:
        refuse(f"a memoryview must be contiguous and open: {error}")

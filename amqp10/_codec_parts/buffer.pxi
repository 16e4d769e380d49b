# Where bytes come from and where they go: the cursor over what is decoded, the limits of a decoding, the growing
# buffer that is encoded into. Every read is checked against what is left, once, before anything is made of it.

cdef struct Cursor:
    const uint8_t* pos
    const uint8_t* end
    const uint8_t* start      # offsets in errors count from here

cdef struct Limits:
    int max_depth
    Py_ssize_t max_elements   # what one count may claim
    Py_ssize_t elements_left  # how many more elements without bytes of their own may be made

cdef enum:
    BUFFER_START = 512
    BUFFER_KEPT = 1 << 16     # what clear() leaves allocated at most


cdef inline void open_cursor(Cursor* c, const uint8_t* data, Py_ssize_t size) noexcept:
    c.pos = c.start = data
    c.end = data + size


cdef int set_limits(Limits* limits, Py_ssize_t max_depth, Py_ssize_t max_elements) except -1:
    """Fill in limits that came as arguments; depth has a ceiling, for it is the C stack that it uses."""
    if not 0 <= max_depth <= MAX_DEPTH_CEILING:
        raise ValueError(f"max_depth must be in 0..{MAX_DEPTH_CEILING}, not {max_depth}")
    if max_elements < 0:
        raise ValueError(f"max_elements must not be negative: {max_elements}")
    limits.max_depth = <int>max_depth
    limits.max_elements = limits.elements_left = max_elements
    return 0


cdef int fail_at(Cursor* c, const uint8_t* at, str message) except -1:
    raise DecodeError(message, offset=at - c.start)


cdef int fail(Cursor* c, str message) except -1:
    return fail_at(c, c.pos, message)


cdef int fail_short(Cursor* c, uint64_t n) except -1:
    return fail(c, f"{n} bytes needed, {c.end - c.pos} left")


cdef inline int need(Cursor* c, Py_ssize_t n) except -1:
    """Make sure that n bytes are left."""
    if c.end - c.pos < n:
        return fail_short(c, n)
    return 0


# The loads and stores: network byte order, no alignment asked. Compilers make one instruction of each.

cdef inline uint16_t load_u16(const uint8_t* p) noexcept nogil:
    return <uint16_t>((<uint16_t>p[0] << 8) | p[1])


cdef inline uint32_t load_u32(const uint8_t* p) noexcept nogil:
    return (<uint32_t>p[0] << 24) | (<uint32_t>p[1] << 16) | (<uint32_t>p[2] << 8) | <uint32_t>p[3]


cdef inline uint64_t load_u64(const uint8_t* p) noexcept nogil:
    return (<uint64_t>load_u32(p) << 32) | load_u32(p + 4)


cdef inline void store_u16(uint8_t* p, uint16_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 8)
    p[1] = <uint8_t>v


cdef inline void store_u32(uint8_t* p, uint32_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 24)
    p[1] = <uint8_t>(v >> 16)
    p[2] = <uint8_t>(v >> 8)
    p[3] = <uint8_t>v


cdef inline void store_u64(uint8_t* p, uint64_t v) noexcept nogil:
    store_u32(p, <uint32_t>(v >> 32))
    store_u32(p + 4, <uint32_t>v)


# Readers into an out-parameter would cost a store each; these return the value and signal by the exception alone.

cdef inline uint8_t read_u8(Cursor* c) except? 0xEE:
    need(c, 1)
    c.pos += 1
    return (c.pos - 1)[0]


cdef inline uint16_t read_u16(Cursor* c) except? 0xEEEE:
    need(c, 2)
    c.pos += 2
    return load_u16(c.pos - 2)


cdef inline uint32_t read_u32(Cursor* c) except? 0xEEEEEEEE:
    need(c, 4)
    c.pos += 4
    return load_u32(c.pos - 4)


cdef inline uint64_t read_u64(Cursor* c) except? 0xEEEEEEEEEEEEEEEE:
    need(c, 8)
    c.pos += 8
    return load_u64(c.pos - 8)


@cython.final
cdef class Buffer:
    """Bytes that grow. What is beyond `length` is not initialized; nothing is ever zeroed.

    A writer that fails leaves what it has written: whoever called it truncates to the length of before.
    """

    cdef uint8_t* data
    cdef Py_ssize_t length
    cdef Py_ssize_t capacity

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef inline int reserve(self, Py_ssize_t n) except -1:
        """Make room for n more bytes."""
        if self.capacity - self.length < n:
            return self.grow(n)
        return 0

    cdef int grow(self, Py_ssize_t n) except -1:
        if n > PY_SSIZE_T_MAX // 4 - self.length:
            raise MemoryError()
        cdef Py_ssize_t wanted = max(self.length + n, 2 * self.capacity, <Py_ssize_t>BUFFER_START)
        cdef uint8_t* data = <uint8_t*>PyMem_Realloc(self.data, wanted)
        if data == NULL:
            raise MemoryError()
        self.data = data
        self.capacity = wanted
        return 0

    cdef inline int put_u8(self, uint8_t v) except -1:
        self.reserve(1)
        self.data[self.length] = v
        self.length += 1
        return 0

    cdef inline int put_u16(self, uint16_t v) except -1:
        self.reserve(2)
        store_u16(self.data + self.length, v)
        self.length += 2
        return 0

    cdef inline int put_u32(self, uint32_t v) except -1:
        self.reserve(4)
        store_u32(self.data + self.length, v)
        self.length += 4
        return 0

    cdef inline int put_u64(self, uint64_t v) except -1:
        self.reserve(8)
        store_u64(self.data + self.length, v)
        self.length += 8
        return 0

    # A constructor and its data in one step: one check of the room for both.

    cdef inline int put_code(self, uint8_t code, uint8_t v) except -1:
        self.reserve(2)
        self.data[self.length] = code
        self.data[self.length + 1] = v
        self.length += 2
        return 0

    cdef inline int put_code_u16(self, uint8_t code, uint16_t v) except -1:
        self.reserve(3)
        self.data[self.length] = code
        store_u16(self.data + self.length + 1, v)
        self.length += 3
        return 0

    cdef inline int put_code_u32(self, uint8_t code, uint32_t v) except -1:
        self.reserve(5)
        self.data[self.length] = code
        store_u32(self.data + self.length + 1, v)
        self.length += 5
        return 0

    cdef inline int put_code_u64(self, uint8_t code, uint64_t v) except -1:
        self.reserve(9)
        self.data[self.length] = code
        store_u64(self.data + self.length + 1, v)
        self.length += 9
        return 0

    cdef inline int put_bytes(self, const void* source, Py_ssize_t n) except -1:
        self.reserve(n)
        if n:  # memcpy's arguments must point somewhere, even for nothing
            memcpy(self.data + self.length, source, n)
        self.length += n
        return 0

    cdef inline void truncate(self, Py_ssize_t length) noexcept:
        """Forget what was written beyond length."""
        self.length = length

    cdef inline void clear(self) noexcept:
        """Forget everything; after unusual size give the memory back."""
        self.length = 0
        if self.capacity > BUFFER_KEPT:
            PyMem_Free(self.data)
            self.data = NULL
            self.capacity = 0

    cdef inline bytes copy(self, Py_ssize_t first = 0):
        """The bytes from `first` on."""
        return PyBytes_FromStringAndSize(<const char*>self.data + first, self.length - first)

# What a session has to say about deliveries (§2.7.6), gathered until it is written, so that few frames say it.
#
# A state is kept as its encoding: that is what is compared and written, whatever happens to the object meanwhile.

cdef struct Range:
    uint32_t first
    uint32_t last
    bint settled
    Py_ssize_t state  # which of the queue's states, NO_STATE for none
    Py_ssize_t order  # the place in the order of adding
    uint32_t key  # first, as a number that sorts serial numbers

cdef enum:
    NO_STATE = -1
    RANGES_START = 16
    RANGES_KEPT = 1024
    DISPOSITION_RESERVE = 64  # a frame with a state of no fields


@cython.final
cdef class DispositionQueue:
    """The dispositions that one session owes its peer, as ranges of delivery-ids.

    Args:
        role: True where they come from a receiver.
    """

    cdef readonly bint role
    cdef Range* ranges
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity
    cdef list states  # the encoded states
    cdef dict numbers  # encoded state → its index in states
    cdef object last_state  # the shared instance that was added last, or None
    cdef Py_ssize_t last_number  # its index in states

    def __cinit__(self):
        self.states = []
        self.numbers = {}

    def __init__(self, bint role):
        self.role = role

    def __dealloc__(self):
        PyMem_Free(self.ranges)

    def __len__(self):
        """How many ranges wait."""
        return self.count

    def __repr__(self):
        return f"<DispositionQueue of {self.count} ranges>"

    def add(self, uint32_t delivery_id, state, bint settled):
        """Note what became of a delivery.

        Args:
            delivery_id: the session's number of it.
            state: its state, or None.
            settled: whether this end has settled it.

        Raises:
            EncodeError: the state cannot be encoded; nothing was noted.
        """
        self.put(delivery_id, state, settled)

    def settle(self, Delivery delivery not None, state, IncomingIndex index not None):
        """Settle a delivery: note what became of it, and take it out of the index.

        Args:
            delivery: unsettled so far.
            state: its outcome, or None.
            index: where it is.

        Raises:
            EncodeError: the state cannot be encoded; nothing was done.
        """
        self.settle_one(delivery, state, index)

    cdef int settle_one(self, Delivery delivery, object state, IncomingIndex index) except -1:
        self.put(delivery.delivery_id, state, True)
        index.take_out(delivery.delivery_id)
        delivery.state = state
        delivery.settled = True
        return 0

    cdef int put(self, uint32_t delivery_id, object state, bint settled) except -1:
        cdef Py_ssize_t number = self.number_of(state)
        cdef Range* last
        if self.count:
            last = &self.ranges[self.count - 1]
            if last.last + 1 == delivery_id and last.settled == settled and last.state == number:
                last.last = delivery_id
                return 0
        return self.append(delivery_id, settled, number)

    def flush(self, FrameWriter writer not None, uint16_t channel, uint32_t max_frame_size):
        """Write all that waits, as the fewest frames, and forget it.

        Args:
            writer: where to.
            channel: the session's channel.
            max_frame_size: the largest frame that the peer takes.

        Returns:
            How many frames were written.

        Raises:
            EncodeError: a state does not fit a frame; nothing was written, and all was forgotten.
        """
        cdef Py_ssize_t index
        cdef Py_ssize_t start = writer.out.length
        cdef Py_ssize_t count = merge_ranges(self.ranges, self.count)
        try:
            for index in range(count):
                number = self.ranges[index].state
                state = None if number == NO_STATE else self.states[number]
                put_disposition(writer.out, channel, self.role, &self.ranges[index], state, max_frame_size)
        except BaseException:
            writer.out.truncate(start)
            raise
        finally:
            self.clear()
        writer.frames += count
        return count

    cdef int clear(self) except -1:
        self.count = 0
        self.last_state = None
        self.states.clear()
        self.numbers.clear()
        if self.capacity > RANGES_KEPT:
            PyMem_Free(self.ranges)
            self.ranges = NULL
            self.capacity = 0
        return 0

    cdef Py_ssize_t number_of(self, object state) except -2:
        """Find the number of a state, and encode it where it is new."""
        if state is None:
            return NO_STATE
        if state is self.last_state:
            return self.last_number
        encoded = encode_state(state)
        number = self.numbers.setdefault(encoded, len(self.states))
        if number == len(self.states):
            self.states.append(encoded)
        # An instance without fields stays what it is; others may change while they wait.
        if state is accepted_state() or state is released_state():
            self.last_state = state
            self.last_number = number
        return number

    cdef int append(self, uint32_t delivery_id, bint settled, Py_ssize_t state) except -1:
        cdef Range* ranges
        cdef Py_ssize_t capacity
        if self.count == self.capacity:
            capacity = max(<Py_ssize_t>RANGES_START, 2 * self.capacity)
            ranges = <Range*>PyMem_Realloc(self.ranges, capacity * sizeof(Range))
            if ranges == NULL:
                raise MemoryError()
            self.ranges = ranges
            self.capacity = capacity
        self.ranges[self.count] = Range(delivery_id, delivery_id, settled, state, self.count, 0)
        self.count += 1
        return 0


cdef int by_key(const void* left, const void* right) noexcept nogil:
    cdef const Range* a = <const Range*>left
    cdef const Range* b = <const Range*>right
    if a.key != b.key:
        return -1 if a.key < b.key else 1
    return by_order(left, right)


cdef int by_order(const void* left, const void* right) noexcept nogil:
    return -1 if (<const Range*>left).order < (<const Range*>right).order else 1


cdef Py_ssize_t merge_ranges(Range* ranges, Py_ssize_t count) noexcept nogil:
    """Sort ranges and join those that meet and say the same; return how many are left.

    Where ranges overlap, the later word about a delivery must stay the later one: they are left as they came.
    """
    cdef Py_ssize_t index, target = 0
    if count < 2:
        return count
    for index in range(count):
        ranges[index].key = ranges[index].first - ranges[0].first + <uint32_t>0x80000000
    qsort(ranges, count, sizeof(Range), by_key)
    for index in range(1, count):
        if ranges[index].key - ranges[index - 1].key <= ranges[index - 1].last - ranges[index - 1].first:
            qsort(ranges, count, sizeof(Range), by_order)
            return count
    for index in range(1, count):
        if ranges[index].first == ranges[target].last + 1 and same_word(&ranges[index], &ranges[target]):
            ranges[target].last = ranges[index].last
        else:
            target += 1
            ranges[target] = ranges[index]
    return target + 1


cdef inline bint same_word(const Range* a, const Range* b) noexcept nogil:
    return a.state == b.state and a.settled == b.settled


cdef int put_disposition(
    Buffer out, uint32_t channel, bint role, const Range* entry, bytes state, uint32_t max_frame_size
) except -1:
    """Write the frame that tells of one range."""
    cdef uint8_t[12] fields
    cdef uint8_t* end = put_range_at(fields, role, entry)
    cdef Py_ssize_t start = out.length
    cdef Py_ssize_t length = end - fields
    cdef uint8_t count = 4 if state is None else 5
    out.reserve(DISPOSITION_RESERVE)
    out.length += 8
    out.put_bytes(b"\x00\x53\x15", 3)
    put_list_head(out, length + (0 if state is None else len(state)), count)
    out.put_bytes(fields, length)
    if state is not None:
        out.put_bytes(PyBytes_AS_STRING(state), len(state))
    return finish_frame(out, start, 0, channel, max_frame_size)


cdef uint8_t* put_range_at(uint8_t* pos, bint role, const Range* entry) noexcept nogil:
    """Write role, first, last and settled."""
    pos[0] = 0x41 if role else 0x42
    pos = put_uint_at(pos + 1, entry.first)
    if entry.last == entry.first:
        pos[0] = 0x40
        pos += 1
    else:
        pos = put_uint_at(pos, entry.last)
    pos[0] = 0x41 if entry.settled else 0x42
    return pos + 1


cdef int put_list_head(Buffer out, Py_ssize_t size, uint8_t count) except -1:
    """Write the constructor of a list whose elements take `size` bytes."""
    if size < 255:
        out.put_code(0xC0, <uint8_t>(size + 1))
        return out.put_u8(count)
    out.put_code_u32(0xD0, <uint32_t>(size + 4))
    return out.put_u32(count)


# --- reading ----------------------------------------------------------------------------------------------------------

# Some peers answer each delivery with a frame of its own. Those that say "accepted and settled" of consecutive
# deliveries say together what one frame could: they are read straight out of their bytes, and become it.

cdef struct DispositionFields:
    bint role
    uint32_t first
    uint32_t last


cdef bint read_plain_disposition(const uint8_t* pos, const uint8_t* end, DispositionFields* fields) noexcept nogil:
    """Read a frame's body if it is a disposition that settles as accepted; say whether it was."""
    cdef uint32_t count
    cdef bint settled = False
    cdef bint batchable = False
    if end - pos < 12 or pos[0] != 0x00 or pos[1] != 0x53 or pos[2] != 0x15:
        return False
    if pos[3] == 0xC0 and pos[4] == end - pos - 5:
        count = pos[5]
        pos += 6
    elif pos[3] == 0xD0 and load_u32(pos + 4) == <size_t>(end - pos - 8):
        count = load_u32(pos + 8)
        pos += 12
    else:
        return False
    if count != 5 and count != 6:
        return False
    if not plain_boolean(&pos, end, &fields.role) or not plain_uint(&pos, end, &fields.first):
        return False
    fields.last = fields.first
    if not skip_null(&pos, end) and not plain_uint(&pos, end, &fields.last):
        return False
    if not plain_boolean(&pos, end, &settled) or not settled or not skip_accepted(&pos, end):
        return False
    if count == 6 and not skip_null(&pos, end) and not plain_boolean(&pos, end, &batchable):
        return False
    return pos == end


cdef inline bint skip_accepted(const uint8_t** pos, const uint8_t* end) noexcept nogil:
    """Pass over the outcome accepted, as list0 or as a list8 of nothing; say whether it was there."""
    cdef const uint8_t* at = pos[0]
    cdef Py_ssize_t left = end - at
    if left < 4 or at[0] != 0x00 or at[1] != 0x53 or at[2] != 0x24:
        return False
    if at[3] == 0x45:
        pos[0] = at + 4
    elif left >= 6 and at[3] == 0xC0 and at[4] == 1 and at[5] == 0:
        pos[0] = at + 6
    else:
        return False
    return True


@cython.final
@cython.internal
cdef class DispositionRange:
    """A disposition that was read last, and what those that went on from it have added."""
    cdef object performative  # None where there is nothing to go on
    cdef uint32_t channel
    cdef bint role
    cdef bint grew
    cdef uint32_t first
    cdef uint32_t last

    cdef int begin(self, uint16_t channel, DispositionFields* fields, object performative) except -1:
        self.performative = performative
        self.channel = channel
        self.role = fields.role
        self.first = fields.first
        self.last = fields.last
        self.grew = False
        return 0

    cdef bint take_in(self, uint16_t channel, DispositionFields* fields):
        """Go on with a disposition, if it follows; say whether it did. No range comes to half of all ids."""
        cdef uint32_t added = fields.last - fields.first
        cdef uint32_t held = self.last - self.first
        if (
            self.performative is None
            or channel != self.channel
            or fields.role != self.role
            or fields.first != <uint32_t>(self.last + 1)
            or added >= 0x40000000
            or held >= 0x40000000
        ):
            return False
        self.last = fields.last
        self.grew = True
        return True

    cdef int end(self) except -1:
        """Let the disposition say all that it stands for."""
        performative = self.performative
        if performative is not None:
            self.performative = None
            if self.grew:
                performative.last = self.last
        return 0

# Frames (§2.3): bytes in any portions to frames and runs of transfers, and frames to bytes. Which frame may come when
# is the engine's business; here is only what can be told from the bytes: headers, sizes, types, bodies.

cdef enum ReaderMode:
    EXPECT_HEADER
    SASL_FRAMES
    AMQP_FRAMES
    STOPPED

cdef enum:
    MIN_MAX_FRAME_SIZE = 512  # §2.8.1; also the limit of SASL frames (§5.3.1)
    KEEP_CAPACITY = 262144  # buffers that grew beyond this are given back when they are empty


@cython.final
cdef class ProtocolHeader:
    """The eight bytes that open a layer of the connection (§2.2).

    Attributes:
        protocol_id: 0 for AMQP, 2 for TLS, 3 for SASL.
        major, minor, revision: the version; 1, 0, 0 is what this library speaks.
    """
    cdef readonly int protocol_id
    cdef readonly int major
    cdef readonly int minor
    cdef readonly int revision

    def __repr__(self):
        return f"<ProtocolHeader {self.protocol_id} {self.major}.{self.minor}.{self.revision}>"


@cython.final
cdef class Frame:
    """A frame that came in (§2.3).

    Attributes:
        type: 0 for AMQP, 1 for SASL.
        channel: the channel it came on; nothing for SASL.
        performative: its body's composite.
        payload: what follows the performative: bytes of a message, on transfers only.
    """
    cdef readonly int type
    cdef readonly int channel
    cdef readonly object performative
    cdef readonly bytes payload

    def __repr__(self):
        return f"<Frame channel={self.channel} {self.performative!r} +{len(self.payload)}>"


cdef class FrameReader:
    """Turns what comes from the socket into protocol headers, frames and runs of transfers.

    How the bytes are cut into portions changes nothing but where runs end. A malformed frame sets `error`, after
    what came before it was returned; nothing is read after that.

    Args:
        max_frame_size: the largest frame to accept, in bytes; an attribute too, for what comes next. SASL frames
            never exceed 512.
        max_depth: how deep values in a frame may be nested.
        max_elements: how many elements without bytes of their own the values in a frame may have.
        runs: whether plain transfers of bound links come as TransferRun, and plain dispositions that go on where the
            one before ended as one; without, all come as Frame, each by itself.

    Attributes:
        error: the DecodeError that ended the reading, or None. Its offset counts within the frame.
        frames: how many frames were read, empty ones included.
    """
    cdef public uint32_t max_frame_size
    cdef public bint runs
    cdef readonly object error
    cdef readonly uint64_t frames
    cdef Limits limits
    cdef ReaderMode mode
    cdef bint feeding
    cdef Buffer held  # the start of an item of which more is to come
    cdef dict bindings  # link_key → Binding
    cdef Binding last  # the binding used last
    cdef set unfinished  # link_key of links in the middle of a delivery of several frames
    cdef TransferRun run  # the run that the next transfer may go on
    cdef DispositionRange range  # the last item, if it is a plain disposition: what the next may go on

    def __cinit__(self, *_arguments, **_options):
        self.mode = EXPECT_HEADER
        self.range = DispositionRange()
        self.held = Buffer()
        self.bindings = {}
        self.unfinished = set()

    def __init__(
        self, uint32_t max_frame_size=MIN_MAX_FRAME_SIZE, *, Py_ssize_t max_depth=DEFAULT_MAX_DEPTH,
        Py_ssize_t max_elements=DEFAULT_MAX_ELEMENTS, bint runs=True,
    ):
        self.max_frame_size = max_frame_size
        set_limits(&self.limits, max_depth, max_elements)
        self.runs = runs

    @property
    def buffered(self):
        """The bytes that are kept because their frame is not complete."""
        return self.held.length

    def feed(self, data):
        """Read what came from the peer.

        Args:
            data: any buffer; its memory may be used again after the call.

        Returns:
            What is complete now, in order: ProtocolHeader, Frame and TransferRun objects. After it, look at `error`.
        """
        cdef Py_buffer view
        cdef list items = []
        if self.feeding:
            raise RuntimeError("feed() was called while it runs")
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        self.feeding = True
        try:
            self.consume(<const uint8_t*>view.buf, view.len, items)
        except DecodeError as error:
            self.stop()
            self.error = error
        except BaseException:
            self.stop()
            raise
        finally:
            self.run = None
            self.range.end()
            self.feeding = False
            PyBuffer_Release(&view)
        return items

    def bind(self, uint16_t channel, uint32_t handle, delivery_class, receiver):
        """Let plain transfers on that channel and handle come as runs of deliveries.

        Args:
            channel: the channel the peer sends on.
            handle: the handle the peer gave the link.
            delivery_class: `Delivery` or a subclass, without a `__new__` of its own.
            receiver: becomes `Delivery.receiver`; its `_settle(delivery, state)` is what settling calls.

        Raises:
            TypeError: the class is none of deliveries.
        """
        check_delivery_class(delivery_class)
        cdef Binding binding = Binding.__new__(Binding)
        binding.delivery_class = delivery_class
        binding.receiver = receiver
        binding.key = link_key(channel, handle)
        self.bindings[binding.key] = binding
        self.last = None

    def unbind(self, uint16_t channel, uint32_t handle):
        """Undo bind(), also of a handle that is not bound."""
        key = link_key(channel, handle)
        self.bindings.pop(key, None)
        self.unfinished.discard(key)
        self.last = None

    def unbind_channel(self, uint16_t channel):
        """Undo bind() for every handle of a channel."""
        self.bindings = {key: value for key, value in self.bindings.items() if key >> 32 != channel}
        self.forget_unfinished(channel)
        self.last = None

    cdef int stop(self) except -1:
        self.mode = STOPPED
        self.held = Buffer()
        return 0

    cdef int forget_unfinished(self, uint32_t channel) except -1:
        self.unfinished = {key for key in self.unfinished if key >> 32 != channel}
        return 0

    # Only as many bytes are held as the item they start needs; all others are read where they are.

    cdef int consume(self, const uint8_t* data, Py_ssize_t length, list items) except -1:
        cdef Py_ssize_t wanted
        cdef Py_ssize_t step
        while length and self.mode != STOPPED:
            if self.held.length:
                wanted = self.item_size(self.held.data, self.held.length)
                step = min(length, wanted - self.held.length)
                self.held.put_bytes(data, step)
                wanted = self.item_size(self.held.data, self.held.length)
                if wanted == self.held.length:
                    self.read_item(self.held.data, wanted, items)
                    self.drop_held()
            else:
                step = wanted = self.item_size(data, length)
                if wanted > length:
                    self.held.put_bytes(data, length)
                    return 0
                self.read_item(data, wanted, items)
            data += step
            length -= step
        return 0

    cdef int drop_held(self) except -1:
        if self.held.capacity > KEEP_CAPACITY:
            self.held = Buffer()
        else:
            self.held.truncate(0)
        return 0

    cdef Py_ssize_t item_size(self, const uint8_t* item, Py_ssize_t length) except -1:
        """Say how many bytes the item needs before more can be told: all of its own, once its size is there."""
        cdef uint32_t size, limit
        if self.mode == EXPECT_HEADER:
            if memcmp(item, b"AMQP", min(length, 4)) != 0:
                raise frame_error("no AMQP protocol header", 0)
            return 8
        if length < 4:
            return 4
        if self.mode == SASL_FRAMES and memcmp(item, b"AMQP", 4) == 0:
            return 8
        size = load_u32(item)
        limit = MIN_MAX_FRAME_SIZE if self.mode == SASL_FRAMES else self.max_frame_size
        if size < 8:
            raise frame_error(f"a frame of {size} bytes", 0)
        if size > limit:
            raise frame_error(f"a frame of {size} bytes where {limit} are allowed", 0)
        return size

    cdef int read_item(self, const uint8_t* item, Py_ssize_t size, list items) except -1:
        # Who sent the outcome of SASL gets a header next, where a reader can only expect a frame: as a size, these
        # letters would exceed what SASL allows.
        if self.mode == AMQP_FRAMES or (self.mode == SASL_FRAMES and memcmp(item, b"AMQP", 4) != 0):
            return self.read_frame(item, size, items)
        cdef ProtocolHeader header = ProtocolHeader.__new__(ProtocolHeader)
        header.protocol_id, header.major, header.minor, header.revision = item[4], item[5], item[6], item[7]
        self.mode = STOPPED
        if header.major == 1 and header.minor == 0 and header.revision == 0:
            if header.protocol_id == 0:
                self.mode = AMQP_FRAMES
            elif header.protocol_id == 3:
                self.mode = SASL_FRAMES
        items.append(header)
        return 0

    cdef int read_frame(self, const uint8_t* frame, Py_ssize_t size, list items) except -1:
        cdef const uint8_t* body = frame + 4 * frame[4]
        cdef const uint8_t* end = frame + size
        cdef uint8_t expected = 1 if self.mode == SASL_FRAMES else 0
        cdef DispositionFields disposition
        if frame[4] < 2 or body > end:
            raise frame_error(f"a data offset of {frame[4]} words in a frame of {size} bytes", 4)
        if frame[5] != expected:
            raise frame_error(f"a frame of type {frame[5]} where type {expected} is due", 5)
        self.frames += 1
        if body == end:
            if expected == 1:
                raise frame_error("an empty SASL frame", 8)  # §5.3.1: irrecoverable
            return 0
        if expected == 0 and self.runs:
            if self.extend_run(load_u16(frame + 6), body, end, items):
                return 0
            if read_plain_disposition(body, end, &disposition):
                return self.extend_range(frame, body, end, &disposition, items)
        return self.read_performative(frame, body, end, items)

    cdef bint extend_run(
        self, uint32_t channel, const uint8_t* body, const uint8_t* end, list items
    ) except -1:
        """Take a plain transfer of a bound link into a run; say whether it was one."""
        cdef TransferFields fields
        cdef Binding binding
        cdef TransferRun run = self.run
        if not read_plain_transfer(body, end, &fields):
            return False
        binding = self.find_binding(link_key(channel, fields.handle))
        if binding is None:
            return False
        if not (
            run is not None
            and fields.delivery_id == <uint32_t>(run.first + run.count)
            and run.handle == fields.handle
            and run.channel == channel
            and run.settled == fields.settled
        ):
            self.range.end()
            run = self.run = new_run(channel, &fields)
            items.append(run)
        run.deliveries.append(run_delivery(binding, &fields, end))
        run.count += 1
        run.size += end - fields.payload
        run.largest = max(run.largest, end - fields.payload)
        return True

    cdef int extend_range(
        self, const uint8_t* start, const uint8_t* body, const uint8_t* end, DispositionFields* fields, list items
    ) except -1:
        """Take a plain disposition into the one before it, or let it be one that the next may go on."""
        cdef uint16_t channel = load_u16(start + 6)
        if not self.range.take_in(channel, fields):
            self.read_performative(start, body, end, items)
            self.range.begin(channel, fields, (<Frame>items[len(items) - 1]).performative)
        return 0

    cdef Binding find_binding(self, uint64_t key):
        """Find who takes plain transfers with that key: None, too, in the middle of a delivery of several frames."""
        cdef Binding binding = self.last
        if self.unfinished and key in self.unfinished:
            return None
        if binding is None or binding.key != key:
            binding = self.bindings.get(key)
            self.last = binding
        return binding

    cdef int read_performative(
        self, const uint8_t* start, const uint8_t* body, const uint8_t* end, list items
    ) except -1:
        """Read a frame's body as the composite it is."""
        cdef Frame frame = Frame.__new__(Frame)
        cdef Cursor cursor
        cdef Limits limits = self.limits
        cdef CompositeTable table
        cdef int code
        self.run = None
        self.range.end()
        open_cursor(&cursor, start, end - start)
        cursor.pos = body
        frame.type = start[5]
        frame.channel = load_u16(start + 6)
        table = lookup_descriptor(&cursor)
        if table is None or table.is_sasl() != start[5] or not is_frame_body(table.code):
            fail(&cursor, "no performative that such a frame may have")
        code = <int>table.code
        frame.performative = read_composite_body(&cursor, &limits, limits.max_depth, table)
        if cursor.pos != end and code != 0x14:
            raise frame_error("bytes after the performative", cursor.pos - start)
        frame.payload = PyBytes_FromStringAndSize(<const char*>cursor.pos, end - cursor.pos)
        self.note(frame, code)
        items.append(frame)
        return 0

    cdef int note(self, Frame frame, int code) except -1:
        """Keep what later frames are read by."""
        cdef uint64_t key
        if code == 0x44:
            self.mode = EXPECT_HEADER  # §5.3.2: the next layer begins after the outcome
        elif code == 0x14:
            key = link_key(frame.channel, frame.performative.handle)
            if frame.performative.more and not frame.performative.aborted:
                self.unfinished.add(key)
            else:
                self.unfinished.discard(key)
        elif code == 0x16:
            self.unfinished.discard(link_key(frame.channel, frame.performative.handle))
        elif code == 0x17:
            self.forget_unfinished(frame.channel)
        return 0


cdef TransferRun new_run(uint32_t channel, TransferFields* fields):
    cdef TransferRun run = TransferRun.__new__(TransferRun)
    run.channel = <uint16_t>channel
    run.handle = fields.handle
    run.first = fields.delivery_id
    run.settled = fields.settled
    run.deliveries = []
    return run


cdef inline bint is_frame_body(uint64_t code) noexcept:
    return 0x10 <= code <= 0x18 or SASL_FIRST <= code <= SASL_LAST


cdef object frame_error(str text, Py_ssize_t offset):
    """Make the error for what is no frame, as opposed to a frame whose body is wrong."""
    return DecodeError(text, offset=offset, condition=Condition.FRAMING_ERROR)


cdef class FrameWriter:
    """Gathers what goes to the socket in one buffer.

    Attributes:
        frames: how many frames were written, empty ones included.
        transfers: how many of them write_transfer wrote.
    """

    cdef readonly uint64_t frames
    cdef readonly uint64_t transfers
    cdef Buffer out
    cdef Py_ssize_t taken  # bytes at the buffer's start that are gone already

    def __cinit__(self):
        self.out = Buffer()

    def __len__(self):
        """How many bytes wait to be taken."""
        return self.out.length - self.taken

    def __bool__(self):
        return self.out.length != self.taken

    def write_header(self, uint8_t protocol_id):
        """Write a protocol header (§2.2) for version 1.0.0: 0 for AMQP, 3 for SASL."""
        self.out.put_bytes(b"AMQP", 4)
        self.out.put_u8(protocol_id)
        self.out.put_bytes(b"\x01\x00\x00", 3)

    def write_empty(self):
        """Write a frame without a body, which says that this end is there (§2.4.5)."""
        self.out.put_bytes(b"\x00\x00\x00\x08\x02\x00\x00\x00", 8)
        self.frames += 1

    def write_frame(self, uint16_t channel, performative, payload=b"", *, uint32_t max_frame_size=0xFFFFFFFF):
        """Write a frame; its type follows from the performative's class.

        Args:
            channel: the channel; without meaning for SASL.
            performative: what the body starts with.
            payload: what follows it.
            max_frame_size: the largest frame the peer takes, in bytes.

        Raises:
            EncodeError: a value cannot be encoded, or the frame is too large; nothing was written.
            TypeError: it is no performative.
        """
        cdef Py_ssize_t start = self.out.length
        cdef CompositeTable table = table_of(performative)
        if not is_frame_body(table.code):
            raise TypeError(f"no frame has a {type(performative).__name__} for its body")
        try:
            self.out.reserve(8)
            self.out.length += 8
            write_composite(self.out, performative)
            put_buffer(self.out, payload)
            finish_frame(self.out, start, table.is_sasl(), channel, max_frame_size)
        except BaseException:
            self.out.truncate(start)
            raise
        self.frames += 1

    def write_transfer(
        self, OutgoingDelivery delivery not None, uint16_t channel, uint32_t handle, uint32_t max_frame_size,
        Py_ssize_t max_frames, bint batchable,
    ):
        """Write the next transfers of a delivery.

        Args:
            delivery: what to write, from where the last call stopped; its delivery_id is set.
            channel: the session's channel.
            handle: the link's handle.
            max_frame_size: the largest frame the peer takes, in bytes.
            max_frames: the most frames to write now, as a session window has it.
            batchable: whether the peer may answer late.

        Returns:
            How many frames were written. The delivery is finished when its `remaining` is 0.

        Raises:
            EncodeError: the frame size is out of bounds.
            InvalidState: the delivery is finished or was discarded.
        """
        check_writable(delivery, max_frame_size)
        return self.put_transfers(delivery, channel, handle, max_frame_size, max_frames, batchable)

    cdef Py_ssize_t put_transfers(
        self, OutgoingDelivery delivery, uint16_t channel, uint32_t handle, uint32_t max_frame_size,
        Py_ssize_t max_frames, bint batchable,
    ) except -1:
        cdef Py_ssize_t written = 0
        while written < max_frames:
            put_transfer(self.out, delivery, channel, handle, max_frame_size, batchable)
            written += 1
            if delivery.written == delivery.size:
                delivery.body = delivery.rest = None
                break
        self.frames += written
        self.transfers += written
        return written

    def take(self, limit=None):
        """Take out what goes to the socket next.

        Args:
            limit: the most bytes to take; None takes all.
        """
        cdef Py_ssize_t waiting = self.out.length - self.taken
        cdef Py_ssize_t count = waiting
        if limit is not None:
            count = min(waiting, max(<Py_ssize_t>limit, 0))
        if count == 0:
            return b""
        result = PyBytes_FromStringAndSize(<const char*>self.out.data + self.taken, count)
        self.taken += count
        if count == waiting:
            self.out.clear()
            self.taken = 0
        elif self.taken > waiting - count:
            # No more bytes move than were taken since the last time.
            memmove(self.out.data, self.out.data + self.taken, waiting - count)
            self.out.truncate(waiting - count)
            self.taken = 0
        return result


cdef int finish_frame(Buffer out, Py_ssize_t start, uint8_t type, uint32_t channel, uint32_t max_frame_size) except -1:
    """Fill in the header of the frame that began at `start`."""
    cdef uint8_t* frame = out.data + start
    cdef Py_ssize_t size = out.length - start
    if size > max_frame_size:
        raise EncodeError(f"a frame of {size} bytes where the peer takes {max_frame_size}")
    store_u32(frame, <uint32_t>size)
    frame[4] = 2
    frame[5] = type
    store_u16(frame + 6, <uint16_t>channel)
    return 0


cdef int put_buffer(Buffer out, object data) except -1:
    """Append the bytes of any buffer."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        out.put_bytes(view.buf, view.len)
    finally:
        PyBuffer_Release(&view)
    return 0

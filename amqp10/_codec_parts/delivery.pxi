# Deliveries: what a receiver hands to the application, and what a sender keeps of a message until its outcome.
#
# Both are made once per message, so they are C structures with the least of objects in them. The drivers subclass
# them with empty __slots__; what settling and sending mean is decided by the engine behind `receiver._settle`.

cdef enum:
    MAX_TAG = 32  # §2.8.7: a delivery-tag has at most 32 octets
    INLINE_TAG = 27  # what of it a Delivery has room for without an object, and just fits 128 bytes
    INLINE_HEAD = 24  # what an OutgoingDelivery has room for before its body
    SHARE_BODY = 16384  # a data section of this many bytes or more is kept by reference, not joined


cdef class Delivery:
    """A message that came in, with the facts of its transfer (§2.7.5) and the means to settle it.

    Deliveries are made by the codec, never by the application. A call that settles is plain: it never waits.

    Attributes:
        receiver: the link it came on.
        delivery_id: the session's number of the delivery.
        delivery_tag: the sender's name for the delivery, at most 32 bytes.
        message_format: the format of the payload; 0 is the specification's own.
        payload: the encoded message, as it came.
        settled: whether both ends are done with it.
        state: the state that was given at this end, or None.
        remote_state: the state the sender gave, or None.
        remote_settled: whether the sender settled it.
        presettled: whether it came settled: then nothing that is said about it reaches the sender.
        taken: whether it left the receiver's queue for the application.
        waiter: what the driver wakes when the sender settles; None where nobody waits.
    """
    cdef public object receiver
    cdef public object state
    cdef public object remote_state
    cdef public object waiter
    cdef readonly bytes payload
    cdef bytes _tag  # None while only tag_bytes holds it
    cdef Message _message  # None until it is asked for
    cdef readonly uint32_t delivery_id
    cdef readonly uint32_t message_format
    cdef public flag settled
    cdef public flag remote_settled
    cdef public flag taken
    cdef readonly flag presettled
    cdef uint8_t tag_length
    cdef uint8_t[INLINE_TAG] tag_bytes

    @property
    def delivery_tag(self):
        """The sender's name for this delivery, at most 32 bytes."""
        if self._tag is None:
            self._tag = PyBytes_FromStringAndSize(<char*>self.tag_bytes, self.tag_length)
        return self._tag

    @property
    def message(self):
        """The message, decoded section by section as it is read.

        A part that is malformed raises DecodeError when it is read; `payload` holds the bytes whatever they are.
        """
        if self._message is None:
            self._message = message_over(self.payload, self.message_format)
        return self._message

    @property
    def delivery_count(self):
        """How many earlier attempts to deliver the message failed (§3.2.1); 0 where the header does not say."""
        header = self.message.header
        return 0 if header is None else header.delivery_count

    @property
    def first_acquirer(self):
        """Whether no other link acquired the message before (§3.2.1); False where the header does not say."""
        header = self.message.header
        return False if header is None else header.first_acquirer

    def accept(self):
        """Settle as accepted: the message was processed (§3.4.2).

        Repeating it does no harm, nor does it on a delivery that came settled, or that the sender has settled since.

        Raises:
            InvalidState: it was settled with another outcome.
        """
        settle_delivery(self, accepted_state())

    def reject(self, condition=None, description=None, info=None):
        """Settle as rejected: the message is invalid (§3.4.3).

        Args:
            condition: the error condition, for instance ``"amqp:decode-error"``; None gives no error.
            description: a text for people; needs a condition.
            info: further details, with symbols for keys; needs a condition.

        Raises:
            InvalidState: it was settled with another outcome.
            ValueError: a description or details without a condition.
        """
        error = None
        if condition is not None:
            error = composite_table(ERROR_CODE).cls(condition=condition, description=description, info=info)
        elif description is not None or info is not None:
            raise ValueError("a description or info needs a condition")
        settle_delivery(self, composite_table(REJECTED_CODE).cls(error=error))

    def release(self):
        """Settle as released: the message was not processed and may go to another receiver (§3.4.4).

        Raises:
            InvalidState: it was settled with another outcome.
        """
        settle_delivery(self, released_state())

    def modify(self, *, delivery_failed=False, undeliverable_here=False, message_annotations=None):
        """Settle as modified: the message was not processed, and is to be changed (§3.4.5).

        Args:
            delivery_failed: count this as a failed attempt.
            undeliverable_here: do not deliver it to this link again.
            message_annotations: what to merge into the message's annotations.

        Raises:
            InvalidState: it was settled with another outcome.
        """
        state = composite_table(MODIFIED_CODE).cls(
            delivery_failed=delivery_failed,
            undeliverable_here=undeliverable_here,
            message_annotations=message_annotations,
        )
        settle_delivery(self, state)

    def settle(self, state=None):
        """Settle with a state of your own.

        Args:
            state: an outcome or a transactional state; None settles without one.

        Raises:
            InvalidState: it was settled with another state.
        """
        settle_delivery(self, state)

    def __repr__(self):
        return (
            f"<{type(self).__name__} id={self.delivery_id} tag={self.delivery_tag.hex()}"
            f"{' settled' if self.settled else ''} state={self.state!r}>"
        )


cdef int settle_delivery(Delivery delivery, object state) except -1:
    """Tell the link, unless it is settled: the hook then sets `settled` and `state`."""
    if not delivery.settled:
        hook = delivery.receiver._settle
        if type(hook) is Settlement:
            return (<Settlement>hook).decide(delivery, state)
        hook(delivery, state)
        return 0
    if delivery.presettled or delivery.state is state or delivery.state == state:
        return 0
    if delivery.remote_settled and delivery.state is None:
        return 0  # the sender settled it before we had a word
    raise InvalidState(f"the delivery was settled already, with {delivery.state!r}")


cdef inline Delivery blank_delivery(object delivery_class):
    """Make an instance without running Python; the class was checked by check_delivery_class."""
    return <Delivery>(<PyTypeObject*>delivery_class).tp_new(<type>delivery_class, <PyObject*>(), NULL)


cdef int check_delivery_class(object delivery_class) except -1:
    """Raise TypeError unless instances can be made without a call."""
    if not (isinstance(delivery_class, type) and issubclass(delivery_class, Delivery)):
        raise TypeError("the class of deliveries must derive from Delivery")
    if (<PyTypeObject*>delivery_class).tp_new != (<PyTypeObject*>Delivery).tp_new:
        raise TypeError("a class of deliveries cannot have a __new__ of its own")
    return 0


def new_delivery(
    delivery_class, receiver, uint32_t delivery_id, bytes delivery_tag not None, uint32_t message_format, bint settled,
    payload,
):
    """Make a delivery out of the parts of a message that came in several frames, or outside a run.

    Args:
        delivery_class: `Delivery` or a subclass.
        receiver: what its `_settle` is called on.
        delivery_id: the session's number of it.
        delivery_tag: the tag of its first transfer.
        message_format: the format of its first transfer.
        settled: whether any of its transfers said so.
        payload: the payloads of its transfers, in order.

    Raises:
        TypeError: the class does not derive from Delivery, or a payload is no buffer.
    """
    check_delivery_class(delivery_class)
    cdef Delivery delivery = blank_delivery(delivery_class)
    delivery.receiver = receiver
    delivery.delivery_id = delivery_id
    delivery._tag = delivery_tag
    delivery.message_format = message_format
    delivery.settled = delivery.presettled = settled
    delivery.payload = b"".join(payload)
    return delivery


cdef class SenderTally:
    """What one sender has unsettled, and what it sent in all: kept by the index of its session.

    Attributes:
        owner: the sender.
        count: how many deliveries are unsettled.
        size: how many bytes they have together, encoded.
        sent: how many deliveries were begun, presettled ones included.
        accepted: how many were settled as accepted.
        refused: how many were settled otherwise.
    """
    cdef public object owner
    cdef public Py_ssize_t count
    cdef public Py_ssize_t size
    cdef readonly uint64_t sent
    cdef readonly uint64_t accepted
    cdef readonly uint64_t refused
    cdef uint64_t mark  # the last settle() that touched it
    cdef uint32_t next_tag

    def __init__(self, owner):
        self.owner = owner

    cdef bytes make_tag(self):
        """Make a tag that no unsettled delivery of this sender has, unless it is 2**32 deliveries old."""
        cdef uint32_t number = self.next_tag
        cdef char[4] tag
        tag[0] = <char>(number >> 24)
        tag[1] = <char>(number >> 16)
        tag[2] = <char>(number >> 8)
        tag[3] = <char>number
        self.next_tag = number + 1
        return PyBytes_FromStringAndSize(tag, 4)

    def __repr__(self):
        return f"SenderTally(count={self.count}, size={self.size})"


cdef class OutgoingDelivery:
    """A message that goes out: encoded once, written frame by frame, watched until it is settled.

    Args:
        tally: where it counts while it is unsettled.
        content: a Message; bytes-like for a data section; Data, AmqpSequence or AmqpValue; any other value for an
            amqp-value section. A Message must not be changed afterwards.
        delivery_tag: its name on the link, at most 32 bytes; None has the tally make one of four bytes.
        presettled: whether it goes out settled.
        header: the Header that goes out where the content has none.

    Attributes:
        delivery_id: the session's number of it, set by the engine before it is written.
        message_format: the format of the content.
        size: the bytes of the encoded message.
        written: how many of them are in transfers already.
        settled: whether both ends are done with it.
        state: the state that the receiver gave, or None.
        error: what became of it where no outcome will come, or None.
        waiter: set by a driver while somebody waits for the outcome, else None.
        read: whether the application saw the outcome.

    Raises:
        EncodeError: the content cannot be encoded.
        MessageTooLarge: the tag has more than 32 bytes.
    """
    cdef readonly SenderTally tally
    cdef public object state
    cdef public object error
    cdef public object waiter
    cdef readonly bytes delivery_tag
    cdef bytes body  # the segment after `prefix`; None once all is written
    cdef list rest  # the segments after `body`, or None
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t written
    cdef Py_ssize_t segment  # the segment that is written next: 0 prefix, 1 body, 2 … rest
    cdef Py_ssize_t segment_offset
    cdef public uint32_t delivery_id
    cdef readonly uint32_t message_format
    cdef readonly flag presettled
    cdef public flag settled
    cdef public flag read
    cdef flag started  # whether its first transfer is written
    cdef uint8_t prefix_length
    cdef uint8_t[INLINE_HEAD] prefix  # what comes before `body`: a header, and the head of a data section

    def __init__(
        self, SenderTally tally not None, content, bytes delivery_tag=None, bint presettled=False, header=None
    ):
        cdef list segments
        self.body = None  # until all is well: without it nothing is written
        if delivery_tag is None:
            delivery_tag = tally.make_tag()
        elif len(delivery_tag) > MAX_TAG:
            raise MessageTooLarge(f"the delivery-tag has {len(delivery_tag)} bytes; 32 are allowed (§2.8.7)")
        if type(content) is bytes and fill_prefix(self, len(<bytes>content), header):
            self.body = <bytes>content
            self.rest = None
            self.size = self.prefix_length + len(<bytes>content)
            self.message_format = 0
        else:
            segments = encode_content(content, header)
            self.message_format = (<Message>content).message_format if isinstance(content, Message) else 0
            self.prefix_length = 0
            self.body = <bytes>segments[0]
            self.rest = segments[1:] if len(segments) > 1 else None
            self.size = sum([len(part) for part in segments])
        self.tally = tally
        self.delivery_tag = delivery_tag
        self.presettled = presettled
        self.written = self.segment = self.segment_offset = 0
        self.started = False

    @property
    def remaining(self):
        """The bytes that no transfer holds yet."""
        return self.size - self.written

    def discard(self):
        """Let go of the encoded message: it was aborted or given up, and will not be written on."""
        self.body = None
        self.rest = None

    def __repr__(self):
        return (
            f"<{type(self).__name__} id={self.delivery_id} tag={(self.delivery_tag or b'').hex()} size={self.size}"
            f"{' settled' if self.settled else ''} state={self.state!r}>"
        )


cdef bint fill_prefix(OutgoingDelivery delivery, Py_ssize_t length, object header) except -1:
    """Write a header, if any, and the constructor of a data section of so many bytes (§3.2); say if there was room."""
    cdef uint8_t* prefix = delivery.prefix
    cdef Buffer buf
    delivery.prefix_length = 0
    if header is not None:
        buf = take_buffer()
        try:
            write_section(buf, S_HEADER, header, STANDARD_DEPTH)
            if buf.length > INLINE_HEAD - 8:
                return False
            memcpy(prefix, buf.data, buf.length)
            delivery.prefix_length = <uint8_t>buf.length
        finally:
            give_buffer(buf)
    if length > 0xFFFFFFFF:
        raise EncodeError("a binary has 2**32 - 1 bytes at most", path="body")
    prefix += delivery.prefix_length
    prefix[0] = C_DESCRIBED
    prefix[1] = C_SMALLULONG
    prefix[2] = BODY_DATA
    prefix[3] = C_VBIN8 if length < 256 else C_VBIN32
    if length < 256:
        prefix[4] = <uint8_t>length
    else:
        store_u32(prefix + 4, <uint32_t>length)
    delivery.prefix_length += 5 if length < 256 else 8
    return True


cdef int copy_payload(OutgoingDelivery delivery, uint8_t* target, Py_ssize_t count) except -1:
    """Copy the next bytes of the message, of which there must be enough, and move on."""
    cdef const uint8_t* source
    cdef Py_ssize_t length, step
    delivery.written += count
    while count:
        length = segment_bytes(delivery, &source)
        step = min(count, length - delivery.segment_offset)
        memcpy(target, source + delivery.segment_offset, step)
        target += step
        count -= step
        delivery.segment_offset += step
        if delivery.segment_offset == length:
            delivery.segment += 1
            delivery.segment_offset = 0
    return 0


cdef inline Py_ssize_t segment_bytes(OutgoingDelivery delivery, const uint8_t** source) except -1:
    """Find the segment that is due."""
    cdef bytes part
    if delivery.segment == 0:
        source[0] = delivery.prefix
        return delivery.prefix_length
    part = delivery.body if delivery.segment == 1 else <bytes>delivery.rest[delivery.segment - 2]
    source[0] = <const uint8_t*>PyBytes_AS_STRING(part)
    return PyBytes_GET_SIZE(part)

# Sending, once per message: numbered, indexed and written in one step from Python. Credit, windows and what is to be
# done with a message that is not through at once stay the engine's.

cdef enum:
    UNBOUNDED = 0x7FFFFFFFFFFFFFFF


@cython.final
cdef class Outlet:
    """Where one sender puts its deliveries.

    Args:
        tally: the sender's.
        index: the session's, which numbers the deliveries.
        writer: the connection's.
        channel: the session's.
        max_frame_size: the largest frame to write, in bytes, 512 or more.

    Attributes:
        handle: the link's; to be set before the first `put`.
        burst: frames of one message that are written at once.
        max_unsettled: deliveries that the tally may have.
        max_unsettled_bytes: their bytes; a single delivery may have more.
        max_message_size: bytes that a message may have.
        max_output: bytes that may wait in the writer.
    """
    cdef SenderTally tally
    cdef UnsettledIndex index
    cdef FrameWriter writer
    cdef uint16_t channel
    cdef uint32_t max_frame_size
    cdef public uint32_t handle
    cdef public Py_ssize_t burst
    cdef public Py_ssize_t max_unsettled
    cdef public Py_ssize_t max_unsettled_bytes
    cdef public Py_ssize_t max_message_size
    cdef public Py_ssize_t max_output

    def __init__(
        self, SenderTally tally not None, UnsettledIndex index not None, FrameWriter writer not None, *,
        uint16_t channel, uint32_t max_frame_size,
    ):
        if max_frame_size < 512:
            raise ValueError("a max-frame-size is 512 at least")
        self.tally = tally
        self.index = index
        self.writer = writer
        self.channel = channel
        self.max_frame_size = max_frame_size
        self.burst = 1
        self.max_unsettled = self.max_unsettled_bytes = self.max_message_size = self.max_output = UNBOUNDED

    def put(self, OutgoingDelivery delivery not None, Py_ssize_t window, bint batchable):
        """Give a delivery the next number, take it into the index unless it is settled, write its first transfers.

        Args:
            delivery: fresh, of this sender's tally.
            window: the frames that the session may send, 1 or more.
            batchable: whether the peer may answer late.

        Returns:
            How many frames were written; that number negative where the delivery wants a look: a rest is still to be
            written, or it is settled already. 0 where a bound is reached; nothing was done then.

        Raises:
            ValueError: the delivery belongs to another sender.
            InvalidState: it was written before.
        """
        cdef Py_ssize_t frames
        if self.writer is None:
            raise RuntimeError("the outlet was never initialized")
        if delivery.tally is not self.tally:
            raise ValueError("the delivery belongs to another sender")
        check_writable(delivery, self.max_frame_size)
        if delivery.started:
            raise InvalidState("the delivery was sent before")
        if self.is_full(delivery.size):
            return 0
        delivery.delivery_id = self.index.next_id
        if not delivery.presettled:
            self.index.take_in(delivery)
        self.index.next_id += 1
        self.tally.sent += 1
        frames = self.writer.put_transfers(
            delivery, self.channel, self.handle, self.max_frame_size, min(self.burst, window), batchable
        )
        return -frames if delivery.presettled or delivery.written < delivery.size else frames

    cdef inline bint is_full(self, Py_ssize_t size) noexcept:
        """Whether a bound keeps a message of that size from being sent."""
        return (
            size > self.max_message_size
            or self.tally.count >= self.max_unsettled
            or (self.tally.count and size > self.max_unsettled_bytes - self.tally.size)
            or self.writer.out.length - self.writer.taken >= self.max_output
        )

# Transfers in the form that every message takes (§2.7.5): read straight out of the frame and written straight into the
# output, without a composite in between. What has another form goes the way of all performatives; the fast way only
# ever accepts what the slow one would have read the same.

cdef struct TransferFields:
    uint32_t handle
    uint32_t delivery_id
    uint32_t message_format
    bint settled
    Py_ssize_t tag_length
    const uint8_t* tag
    const uint8_t* payload


@cython.final
cdef class TransferRun:
    """Consecutive deliveries of one link, each in a single frame, alike but for their content.

    Their delivery-ids are `first`, `first` + 1, … modulo 2**32. A run stands for `count` frames of transfers.

    Attributes:
        channel: the channel they came on.
        handle: the link's handle at the peer.
        first: the delivery-id of the first.
        count: how many they are.
        settled: whether they came settled.
        size: the bytes of their payloads together.
        largest: the bytes of the largest payload.
        deliveries: the deliveries, in order.
    """
    cdef readonly uint32_t handle
    cdef readonly uint32_t first
    cdef readonly uint32_t count
    cdef readonly uint16_t channel
    cdef readonly bint settled
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t largest
    cdef readonly list deliveries

    def __repr__(self):
        return (
            f"<TransferRun channel={self.channel} handle={self.handle} first={self.first} count={self.count}"
            f"{' settled' if self.settled else ''} size={self.size}>"
        )


@cython.final
@cython.internal
cdef class Binding:
    """Whose deliveries arrive at a channel and handle."""
    cdef object delivery_class
    cdef object receiver
    cdef uint64_t key


cdef inline uint64_t link_key(uint32_t channel, uint32_t handle) noexcept nogil:
    return (<uint64_t>channel << 32) | handle


# --- reading ---


cdef bint read_plain_transfer(const uint8_t* pos, const uint8_t* end, TransferFields* fields) noexcept nogil:
    """Read a frame's body if it is a whole delivery in the usual form; say whether it was."""
    cdef const uint8_t* stop
    cdef uint32_t size, count
    if end - pos < 6 or pos[0] != 0x00 or pos[1] != 0x53 or pos[2] != 0x14:
        return False
    if pos[3] == 0xC0:
        size, count = pos[4], pos[5]
        if size > <size_t>(end - pos - 5):
            return False
        stop = pos + 5 + size
        pos += 6
    elif pos[3] == 0xD0 and end - pos >= 12:
        size, count = load_u32(pos + 4), load_u32(pos + 8)
        if size > <size_t>(end - pos - 8):
            return False
        stop = pos + 8 + size
        pos += 12
    else:
        return False
    if count < 3 or count > 11:
        return False
    fields.payload = stop
    return read_plain_fields(pos, stop, count, fields)


cdef bint read_plain_fields(
    const uint8_t* pos, const uint8_t* stop, uint32_t count, TransferFields* fields
) noexcept nogil:
    """Read the list's elements, which fill it exactly."""
    if not plain_uint(&pos, stop, &fields.handle) or not plain_uint(&pos, stop, &fields.delivery_id):
        return False
    if stop - pos < 2 or pos[0] != 0xA0 or pos[1] > MAX_TAG or stop - pos - 2 < pos[1]:
        return False
    fields.tag_length = pos[1]
    fields.tag = pos + 2
    pos += 2 + fields.tag_length
    fields.message_format = 0
    fields.settled = False
    if count > 3 and not skip_null(&pos, stop) and not plain_uint(&pos, stop, &fields.message_format):
        return False
    if count > 4 and not skip_null(&pos, stop) and not plain_boolean(&pos, stop, &fields.settled):
        return False
    if count > 5 and not read_plain_rest(&pos, stop, count):
        return False
    return pos == stop


cdef bint read_plain_rest(const uint8_t** pos, const uint8_t* stop, uint32_t count) noexcept nogil:
    """Pass over more … batchable: all of them absent or false, but for batchable, which says nothing."""
    cdef bint flag = False
    cdef uint32_t index
    for index in range(5, count):
        if skip_null(pos, stop):
            continue
        if index == 6 or index == 7:  # rcv-settle-mode, state
            return False
        if not plain_boolean(pos, stop, &flag) or (flag and index != 10):
            return False
    return True


cdef inline bint skip_null(const uint8_t** pos, const uint8_t* stop) noexcept nogil:
    if pos[0] == stop or pos[0][0] != 0x40:
        return False
    pos[0] += 1
    return True


cdef inline bint plain_uint(const uint8_t** pos, const uint8_t* stop, uint32_t* value) noexcept nogil:
    cdef const uint8_t* at = pos[0]
    cdef Py_ssize_t left = stop - at
    if left < 1:
        return False
    if at[0] == 0x43:
        value[0] = 0
        pos[0] = at + 1
    elif at[0] == 0x52 and left >= 2:
        value[0] = at[1]
        pos[0] = at + 2
    elif at[0] == 0x70 and left >= 5:
        value[0] = load_u32(at + 1)
        pos[0] = at + 5
    else:
        return False
    return True


cdef inline bint plain_boolean(const uint8_t** pos, const uint8_t* stop, bint* value) noexcept nogil:
    cdef const uint8_t* at = pos[0]
    if at == stop:
        return False
    if at[0] == 0x41 or at[0] == 0x42:
        value[0] = at[0] == 0x41
        pos[0] = at + 1
    elif at[0] == 0x56 and stop - at >= 2 and at[1] <= 1:
        value[0] = at[1]
        pos[0] = at + 2
    else:
        return False
    return True


cdef Delivery run_delivery(Binding binding, TransferFields* fields, const uint8_t* end):
    """Make the delivery that a plain transfer is."""
    cdef Delivery delivery = blank_delivery(binding.delivery_class)
    delivery.receiver = binding.receiver
    delivery.delivery_id = fields.delivery_id
    delivery.message_format = fields.message_format
    delivery.settled = delivery.presettled = fields.settled
    if fields.tag_length <= INLINE_TAG:
        delivery.tag_length = <uint8_t>fields.tag_length
        memcpy(delivery.tag_bytes, fields.tag, fields.tag_length)
    else:
        delivery._tag = PyBytes_FromStringAndSize(<const char*>fields.tag, fields.tag_length)
    delivery.payload = PyBytes_FromStringAndSize(<const char*>fields.payload, end - fields.payload)
    return delivery


# --- writing ---


cdef enum:
    # The frame header, the descriptor, list8's constructor, then at their largest handle, delivery-id, delivery-tag,
    # message-format, settled, more, four nulls and batchable.
    TRANSFER_OVERHEAD = 8 + 3 + 3 + 5 + 5 + 2 + MAX_TAG + 5 + 1 + 1 + 4 + 1


cdef uint8_t* put_uint_at(uint8_t* pos, uint32_t value) noexcept nogil:
    """Write a uint in its shortest form; return where the next byte goes."""
    if value == 0:
        pos[0] = 0x43
        return pos + 1
    if value < 256:
        pos[0] = 0x52
        pos[1] = <uint8_t>value
        return pos + 2
    pos[0] = 0x70
    store_u32(pos + 1, value)
    return pos + 5


cdef uint8_t* put_transfer_at(
    uint8_t* frame, OutgoingDelivery delivery, uint32_t channel, uint32_t handle, bint more, bint batchable
) noexcept:
    """Write all of a transfer's frame but its size and payload; return where the payload goes."""
    cdef uint8_t* pos = frame + 14
    cdef uint8_t count = 5
    cdef Py_ssize_t tag_length
    memcpy(frame + 4, b"\x02\x00\x00\x00\x00\x53\x14\xc0", 8)
    frame[6] = <uint8_t>(channel >> 8)
    frame[7] = <uint8_t>channel
    pos = put_uint_at(pos, handle)
    if delivery.started:
        memset(pos, 0x40, 3)  # delivery-id, delivery-tag and message-format belong to the first transfer
        pos += 3
    else:
        tag_length = PyBytes_GET_SIZE(delivery.delivery_tag)
        pos = put_uint_at(pos, delivery.delivery_id)
        pos[0] = 0xA0
        pos[1] = <uint8_t>tag_length
        memcpy(pos + 2, PyBytes_AS_STRING(delivery.delivery_tag), tag_length)
        pos = put_uint_at(pos + 2 + tag_length, delivery.message_format)
    pos[0] = 0x41 if delivery.presettled else 0x42
    pos += 1
    if more or batchable:
        pos[0] = 0x41 if more else 0x42
        pos += 1
        count = 6
    if batchable:
        memcpy(pos, b"\x40\x40\x40\x40\x41", 5)
        pos += 5
        count = 11
    frame[12] = <uint8_t>(pos - frame - 13)
    frame[13] = count
    return pos


cdef int put_transfer(
    Buffer out, OutgoingDelivery delivery, uint32_t channel, uint32_t handle, uint32_t max_frame_size, bint batchable
) except -1:
    """Write the next transfer of a delivery, as large as the frame may be and the message is."""
    cdef uint8_t* frame
    cdef uint8_t* payload
    cdef Py_ssize_t remaining = delivery.size - delivery.written
    cdef Py_ssize_t room
    out.reserve(min(<Py_ssize_t>max_frame_size, TRANSFER_OVERHEAD + remaining))
    frame = out.data + out.length
    payload = put_transfer_at(frame, delivery, channel, handle, False, batchable)
    if (payload - frame) + remaining > max_frame_size:
        payload = put_transfer_at(frame, delivery, channel, handle, True, batchable)
        room = <Py_ssize_t>max_frame_size - (payload - frame)
        remaining = min(remaining, room)
    copy_payload(delivery, payload, remaining)
    store_u32(frame, <uint32_t>(payload - frame + remaining))
    out.length += payload - frame + remaining
    delivery.started = True
    return 0


cdef int check_writable(OutgoingDelivery delivery, uint32_t max_frame_size) except -1:
    """Raise where put_transfer would go out of bounds."""
    if max_frame_size < 512:
        raise EncodeError("a max-frame-size is 512 at least")
    if delivery.body is None:
        raise InvalidState("the delivery has nothing left to write")
    return 0

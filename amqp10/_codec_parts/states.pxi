# The composites that the codec itself makes and knows by their descriptors' codes: delivery states, error, sections.

cdef enum:
    ERROR_CODE = 0x1D
    ACCEPTED_CODE = 0x24
    REJECTED_CODE = 0x25
    RELEASED_CODE = 0x26
    MODIFIED_CODE = 0x27

cdef bytes ENCODED_ACCEPTED = b"\x00\x53\x24\x45"
cdef bytes ENCODED_RELEASED = b"\x00\x53\x26\x45"


cdef CompositeTable composite_table(int code):
    """The table of a descriptor's code, which a module above this one has registered."""
    cdef PyObject* found = tables_by_small_code[code]
    if found == NULL:
        raise RuntimeError(f"no class is registered for descriptor 0x{code:02x}: import amqp10 first")
    return <CompositeTable>found


cdef inline object accepted_state():
    """The one Accepted that every decoded one is."""
    return composite_table(ACCEPTED_CODE).shared


cdef inline object released_state():
    return composite_table(RELEASED_CODE).shared


cdef object shared_state(object state):
    """The shared instance for an Accepted of somebody's own making; any other state as it is."""
    accepted = accepted_state()
    return accepted if type(state) is type(accepted) else state


cdef bytes encode_state(object state):
    """Encode a delivery state, of the specification or of somebody's own."""
    if state is accepted_state():
        return ENCODED_ACCEPTED
    if state is released_state():
        return ENCODED_RELEASED
    cdef Buffer buf = take_buffer()
    try:
        write_value(buf, state, STANDARD_DEPTH)
        return buf.copy()
    except EncodeError as error:
        add_path(error, "state")
        raise
    finally:
        give_buffer(buf)

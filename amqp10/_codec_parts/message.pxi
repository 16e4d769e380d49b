# Messages (§3.2): sections around a body. What was decoded is kept as it came; a section becomes objects when it is
# read, and what nobody changed is encoded by copying its bytes.

cdef enum:
    S_HEADER
    S_DELIVERY_ANNOTATIONS
    S_MESSAGE_ANNOTATIONS
    S_PROPERTIES
    S_APPLICATION_PROPERTIES
    S_BODY
    S_FOOTER
    SECTIONS
    ANY_CHANGE = 1 << SECTIONS

cdef enum:
    ABSENT
    RAW  # only its bytes are known
    READ  # its bytes and its value are known; the value may have been changed
    ASSIGNED  # only its value counts

cdef enum BodyKind:
    NO_BODY = 0
    BODY_DATA = 0x75
    BODY_SEQUENCE = 0x76
    BODY_VALUE = 0x77

cdef enum:
    FIRST_SECTION = 0x70  # the descriptors' codes (§3.2)
    FOOTER_SECTION = 0x78

# By section, the body aside.
cdef tuple SECTION_NAMES = (
    "header", "delivery_annotations", "message_annotations", "properties", "application_properties", "body", "footer",
)
cdef tuple SECTION_DESCRIPTORS = (
    b"amqp:header:list", b"amqp:delivery-annotations:map", b"amqp:message-annotations:map", b"amqp:properties:list",
    b"amqp:application-properties:map", b"amqp:data:binary", b"amqp:amqp-sequence:list", b"amqp:amqp-value:*",
    b"amqp:footer:map",
)
cdef dict BODY_TYPES = {BODY_DATA: "data", BODY_SEQUENCE: "amqp-sequence", BODY_VALUE: "amqp-value"}

cdef struct Span:
    Py_ssize_t start  # of the section, its descriptor included
    Py_ssize_t value
    Py_ssize_t end


cdef class Data:
    """A body of data sections (§3.2.6), each of its own bytes.

    Args:
        *parts: the content of each section, bytes-like; none at all is the same as one empty one.

    Attributes:
        parts: the contents as a tuple of bytes.
    """

    cdef readonly tuple parts

    def __init__(self, *parts):
        self.parts = tuple([as_bytes(part) for part in parts]) or (b"",)

    def __eq__(self, other):
        if not isinstance(other, Data):
            return NotImplemented
        return self.parts == (<Data>other).parts

    def __hash__(self):
        return hash(self.parts)

    def __repr__(self):
        return f"<Data of {len(self.parts)} sections, {sum([len(part) for part in self.parts])} bytes>"


cdef class AmqpSequence:
    """A body of amqp-sequence sections (§3.2.7), each a list.

    Args:
        *lists: the elements of each section; none at all is the same as one empty one.

    Attributes:
        lists: the contents as a tuple of lists.
    """

    cdef readonly tuple lists

    def __init__(self, *lists):
        self.lists = tuple([list(each) for each in lists]) or ([],)

    def __eq__(self, other):
        if not isinstance(other, AmqpSequence):
            return NotImplemented
        return self.lists == (<AmqpSequence>other).lists

    __hash__ = None

    def __repr__(self):
        return f"<AmqpSequence of {len(self.lists)} sections, {sum([len(each) for each in self.lists])} elements>"


cdef class AmqpValue:
    """A body that is one value (§3.2.8), whatever its type: bytes too, which otherwise make a data section.

    Attributes:
        value: the value.
    """

    cdef readonly object value

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        if not isinstance(other, AmqpValue):
            return NotImplemented
        return self.value == (<AmqpValue>other).value

    __hash__ = None

    def __repr__(self):
        return f"<AmqpValue {type(self.value).__name__}>"


cdef class Message:
    """A message in the specification's format (§3.2).

    The names of sections and fields are the specification's, and so are units. A section that is absent is None, and
    assigning None drops it. Sections of a decoded message become objects when they are read; those that nobody changed
    are encoded as the bytes they came as.

    Args:
        body: bytes, bytearray or memoryview make a data section; Data, AmqpSequence and AmqpValue what they say; any
            other value an amqp-value section, None too.
        header: a Header.
        delivery_annotations: a mapping with symbols for keys; str keys are taken for symbols.
        message_annotations: the same.
        properties: a Properties.
        application_properties: a mapping from str to values of simple types: no lists, maps or arrays.
        footer: a mapping with symbols for keys.
        message_format: what the transfer says of the format (§2.8.11); 0 is this one.
    """

    cdef bytes raw  # what was decoded, or None
    cdef object header_value
    cdef object delivery_annotations_value
    cdef object message_annotations_value
    cdef object properties_value
    cdef object application_properties_value
    cdef object body_value
    cdef object footer_value
    cdef public uint32_t message_format
    cdef BodyKind body_kind
    cdef uint32_t body_sections
    cdef uint8_t[SECTIONS] states
    cdef Span[SECTIONS] spans
    cdef bint scanning  # sections of raw from scan_position on are still to be found
    cdef Py_ssize_t scan_position
    cdef int scan_next  # the least section that may come next
    cdef Limits limits

    def __init__(
        self, body=None, *, header=None, delivery_annotations=None, message_annotations=None, properties=None,
        application_properties=None, footer=None, uint32_t message_format=0,
    ):
        self.raw = None
        self.scanning = False
        self.assign(S_HEADER, header)
        self.assign(S_DELIVERY_ANNOTATIONS, delivery_annotations)
        self.assign(S_MESSAGE_ANNOTATIONS, message_annotations)
        self.assign(S_PROPERTIES, properties)
        self.assign(S_APPLICATION_PROPERTIES, application_properties)
        self.assign(S_FOOTER, footer)
        self.assign_body(body)
        self.message_format = message_format
        set_limits(&self.limits, STANDARD_DEPTH, STANDARD_ELEMENTS)

    @classmethod
    def decode(
        cls, buffer, *, uint32_t message_format=0, max_depth=DEFAULT_MAX_DEPTH, max_elements=DEFAULT_MAX_ELEMENTS,
        max_size=None,
    ):
        """Decode a message.

        The sections are told apart at once, and decoded when they are read.

        Args:
            buffer: the whole encoded message, any buffer; bytes are kept by reference, others are copied.
            message_format: what the transfer said of the format.
            max_depth: how deep the values of a section may be nested.
            max_elements: how many elements without bytes of their own the values of a section may have.
            max_size: the most bytes to take; None takes any number.

        Returns:
            The message.

        Raises:
            DecodeError: the buffer is too large, or its sections are unknown, doubled, in the wrong order (§3.2; but
                a footer may come before the body) or cut short. What is wrong within a section is raised when the
                section is read.
        """
        cdef Message self = cls.__new__(cls)
        set_limits(&self.limits, max_depth, max_elements)
        if max_size is not None and PyObject_CheckBuffer(buffer):
            check_size(memoryview(buffer).nbytes, max_size)
        self.message_format = message_format
        self.begin_scan(as_bytes(buffer))
        self.scan(SECTIONS)
        return self

    def encode(self):
        """Encode the message.

        Returns:
            Its sections in the order of §3.2.

        Raises:
            EncodeError: a value cannot be encoded; `path` says where it is.
            DecodeError: something was changed in a message whose other sections cannot be told apart. Without a
                change the bytes that were decoded are returned, whatever they are.
        """
        cdef int changes = self.changes()
        if changes == 0:
            return self.raw
        cdef Buffer buf = take_buffer()
        try:
            self.write(buf, changes, None, None)
            return buf.copy()
        finally:
            give_buffer(buf)

    # --- sections ---

    @property
    def header(self):
        """How the message is to be transported (§3.2.1): a Header, or None."""
        return self.section(S_HEADER)

    @header.setter
    def header(self, value):
        self.change(S_HEADER, value)

    @property
    def delivery_annotations(self):
        """What the sending peer tells the receiving one (§3.2.2): a mapping, or None."""
        return self.section(S_DELIVERY_ANNOTATIONS)

    @delivery_annotations.setter
    def delivery_annotations(self, value):
        self.change(S_DELIVERY_ANNOTATIONS, value)

    @property
    def message_annotations(self):
        """What the infrastructure says of the message (§3.2.3): a mapping, or None."""
        return self.section(S_MESSAGE_ANNOTATIONS)

    @message_annotations.setter
    def message_annotations(self, value):
        self.change(S_MESSAGE_ANNOTATIONS, value)

    @property
    def properties(self):
        """The standard properties (§3.2.4): a Properties, or None."""
        return self.section(S_PROPERTIES)

    @properties.setter
    def properties(self, value):
        self.change(S_PROPERTIES, value)

    @property
    def application_properties(self):
        """The application's own properties (§3.2.5): a mapping from str, or None."""
        return self.section(S_APPLICATION_PROPERTIES)

    @application_properties.setter
    def application_properties(self, value):
        self.change(S_APPLICATION_PROPERTIES, value)

    @property
    def footer(self):
        """What could be told only after the body (§3.2.9): a mapping, or None."""
        return self.section(S_FOOTER)

    @footer.setter
    def footer(self, value):
        self.change(S_FOOTER, value)

    @property
    def body(self):
        """The content (§3.2.6 to §3.2.8).

        bytes of one data section; the list of one amqp-sequence section; the value of an amqp-value section; a Data or
        AmqpSequence of several sections; None, with a body_type of None, where there is no body section at all.
        Assigning follows the rule of the constructor, and so sets body_type.
        """
        return self.section(S_BODY)

    @body.setter
    def body(self, value):
        self.scan(SECTIONS)
        self.assign_body(value)

    @property
    def body_type(self):
        """Which kind of section the body is: "data", "amqp-sequence", "amqp-value", or None where there is none."""
        self.scan(SECTIONS)
        return BODY_TYPES.get(self.body_kind)

    def __eq__(self, other):
        if not isinstance(other, Message):
            return NotImplemented
        return equal_messages(self, <Message>other)

    __hash__ = None

    def __repr__(self):
        return describe_message(self)

    # --- values ---

    cdef object value_of(self, int index):
        if index == S_HEADER:
            return self.header_value
        if index == S_DELIVERY_ANNOTATIONS:
            return self.delivery_annotations_value
        if index == S_MESSAGE_ANNOTATIONS:
            return self.message_annotations_value
        if index == S_PROPERTIES:
            return self.properties_value
        if index == S_APPLICATION_PROPERTIES:
            return self.application_properties_value
        if index == S_BODY:
            return self.body_value
        return self.footer_value

    cdef int keep_value(self, int index, object value) except -1:
        if index == S_HEADER:
            self.header_value = value
        elif index == S_DELIVERY_ANNOTATIONS:
            self.delivery_annotations_value = value
        elif index == S_MESSAGE_ANNOTATIONS:
            self.message_annotations_value = value
        elif index == S_PROPERTIES:
            self.properties_value = value
        elif index == S_APPLICATION_PROPERTIES:
            self.application_properties_value = value
        elif index == S_BODY:
            self.body_value = value
        else:
            self.footer_value = value
        return 0

    cdef object section(self, int index):
        """Give the value of a section, decoding it the first time."""
        self.scan(index)
        if self.states[index] == RAW:
            self.keep_value(index, self.read_section(index))
            self.states[index] = READ
        return self.value_of(index)

    cdef int assign(self, int index, object value) except -1:
        self.states[index] = ABSENT if value is None else ASSIGNED
        return self.keep_value(index, value)

    cdef int change(self, int index, object value) except -1:
        self.scan(SECTIONS)
        return self.assign(index, value)

    cdef int assign_body(self, object body) except -1:
        """Tell the kind of a body, and unwrap it as `body` gives it."""
        if isinstance(body, (bytes, bytearray, memoryview)):
            self.body_kind, self.body_value = BODY_DATA, as_bytes(body)
        elif isinstance(body, Data):
            self.body_kind, self.body_value = BODY_DATA, unwrap(body, (<Data>body).parts)
        elif isinstance(body, AmqpSequence):
            self.body_kind, self.body_value = BODY_SEQUENCE, unwrap(body, (<AmqpSequence>body).lists)
        else:
            self.body_kind = BODY_VALUE
            self.body_value = (<AmqpValue>body).value if isinstance(body, AmqpValue) else body
        self.states[S_BODY] = ASSIGNED
        return 0

    # --- reading ---

    cdef int begin_scan(self, bytes raw) except -1:
        self.raw = raw
        self.scanning = True
        return 0

    cdef int scan(self, int index) except -1:
        """Find the sections of what was decoded up to one of them; all of them for the body, which may be several."""
        while self.scanning and (self.scan_next <= index or index >= S_BODY):
            self.scan_section()
        return 0

    cdef int scan_section(self) except -1:
        """Find the next section."""
        cdef Cursor c
        cdef Limits limits = self.limits
        cdef Span span
        cdef int code
        open_cursor(&c, <const uint8_t*>PyBytes_AS_STRING(self.raw), PyBytes_GET_SIZE(self.raw))
        c.pos += self.scan_position
        if c.pos == c.end:
            self.scanning = False
            return 0
        span.start = self.scan_position
        code = read_section_code(&c)
        span.value = c.pos - c.start
        skip_value(&c, &limits, limits.max_depth)
        span.end = c.pos - c.start
        self.note_section(&c, code, &span)
        self.scan_position = span.end
        return 0

    cdef int note_section(self, Cursor* c, int code, const Span* span) except -1:
        cdef int index = section_index(code)
        if index >= self.scan_next and self.states[index] == ABSENT:
            self.states[index] = RAW
            self.spans[index] = span[0]
            # Some senders, rhea among them, put the footer before the body.
            self.scan_next = S_BODY if index == S_FOOTER and self.scan_next <= S_BODY else index + 1
            if index == S_BODY:
                self.body_kind = <BodyKind>code
                self.body_sections = 1
        elif index == S_BODY == self.scan_next - 1 and code == self.body_kind and code != BODY_VALUE:
            self.spans[S_BODY].end = span.end
            self.body_sections += 1
        else:
            fail_at(c, c.start + span.start, f"a section {SECTION_NAMES[index]} that is out of order, or doubled")
        return 0

    cdef object read_section(self, int index):
        """Decode a section anew."""
        cdef Cursor c
        cdef Limits limits = self.limits
        cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(self.raw)
        cdef uint8_t code
        open_cursor(&c, start, self.spans[index].end)
        if index == S_BODY:
            c.pos += self.spans[index].start
            return self.read_body(&c, &limits)
        c.pos += self.spans[index].value
        if index == S_HEADER or index == S_PROPERTIES:
            return read_section_composite(&c, &limits, FIRST_SECTION + index)
        code = c.pos[0]
        if code != C_MAP8 and code != C_MAP32:
            fail(&c, f"a {describe_code(code)} where the map of {SECTION_NAMES[index]} belongs")
        return read_value(&c, &limits, limits.max_depth, False)

    cdef object read_body(self, Cursor* c, Limits* limits):
        cdef list parts
        if self.body_kind == BODY_VALUE:
            read_section_code(c)
            return read_value(c, limits, limits.max_depth, False)
        parts = []
        while c.pos != c.end:
            read_section_code(c)
            parts.append(read_data(c) if self.body_kind == BODY_DATA else read_sequence(c, limits))
        if len(parts) == 1:
            return parts[0]
        return Data(*parts) if self.body_kind == BODY_DATA else AmqpSequence(*parts)

    # --- writing ---

    cdef int changes(self) except -1:
        """Find which sections are not what was decoded, as bits; 0 if the bytes that came still say it all."""
        cdef int index
        cdef int found = 0
        if self.raw is None:
            return ANY_CHANGE
        for index in range(SECTIONS):
            if self.states[index] == ASSIGNED or (self.states[index] == READ and self.is_changed(index)):
                found |= 1 << index
            elif self.states[index] == ABSENT and self.spans[index].end != 0:  # dropped
                found |= ANY_CHANGE
        return found

    cdef int write(self, Buffer buf, int changes, object header, list segments) except -1:
        """Write all sections: `header` where the message has none; see write_data for segments."""
        cdef int depth = self.limits.max_depth
        cdef int index
        self.scan(SECTIONS)
        if self.states[S_HEADER] == ABSENT and header is not None:
            write_section(buf, S_HEADER, header, depth)
        for index in range(SECTIONS):
            if self.states[index] == ABSENT:
                continue
            if self.states[index] != ASSIGNED and not changes & (1 << index):
                self.copy_section(buf, index)
            elif index == S_BODY:
                write_body(buf, self.body_kind, self.body_value, depth, segments)
            else:
                write_section(buf, index, self.value_of(index), depth)
        return 0

    cdef int write_segments(self, Buffer buf, object header, list segments) except -1:
        """Write all sections as the parts of a list, large ones by reference."""
        cdef int changes
        if header is not None:
            self.scan(S_HEADER)
            if self.states[S_HEADER] != ABSENT:
                header = None
        changes = self.changes()
        if changes == 0:
            if header is not None:
                write_section(buf, S_HEADER, header, self.limits.max_depth)
                segments.append(buf.copy())
            segments.append(self.raw)
            return 0
        self.write(buf, changes, header, segments)
        if buf.length or not segments:
            segments.append(buf.copy())
        return 0

    cdef int copy_section(self, Buffer buf, int index) except -1:
        cdef Span* span = &self.spans[index]
        return buf.put_bytes(PyBytes_AS_STRING(self.raw) + span.start, span.end - span.start)

    cdef bint is_changed(self, int index) except -1:
        """Say whether a section that was read has another value now: by its encoding, as types count.

        The bytes that came need not be the encoding that we would choose, so both values are encoded.
        """
        cdef Buffer buf
        cdef Py_ssize_t half
        value = self.value_of(index)
        if is_immutable(value):
            return False
        buf = take_buffer()
        try:
            write_any(buf, value, MAX_DEPTH_CEILING)
            half = buf.length
            write_any(buf, self.read_section(index), MAX_DEPTH_CEILING)
            return buf.length != 2 * half or memcmp(buf.data, buf.data + half, half) != 0
        except EncodeError:
            return True
        finally:
            give_buffer(buf)

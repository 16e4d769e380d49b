# The primitives that are objects of the standard library: timestamps, UUIDs, decimals.

cdef type DATETIME = datetime.datetime
cdef type UUID = uuid.UUID
cdef type DECIMAL = decimal.Decimal
cdef tuple DECIMAL_CLASSES = (types.Decimal32, types.Decimal64, types.Decimal128)
cdef object UTC = datetime.UTC
cdef object EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
cdef object SAFE_UNKNOWN = uuid.SafeUUID.unknown

cdef enum:
    DAY_MS = 86_400_000

# The first and the last millisecond that datetime can hold.
cdef int64_t FIRST_MS = -62_135_596_800_000
cdef int64_t LAST_MS = 253_402_300_799_999


# --- timestamp --------------------------------------------------------------------------------------------------------

cdef object make_timestamp(int64_t ms):
    if not FIRST_MS <= ms <= LAST_MS:
        return subclass_instance(int, TIMESTAMP, ms)
    cdef int64_t days = ms // DAY_MS
    cdef int64_t rest = ms % DAY_MS
    if rest < 0:  # C rounds to zero, time runs from below
        days -= 1
        rest += DAY_MS
    return EPOCH + timedelta_new(<int>days, <int>(rest // 1000), <int>(rest % 1000) * 1000)


cdef int64_t to_milliseconds(object value) except? -0x5555:
    """The milliseconds since the epoch of an aware datetime, rounded down, or of an int that counts them."""
    if not isinstance(value, DATETIME):
        return to_signed(value, INT64_MIN, INT64_MAX, "timestamp")
    zone = value.tzinfo
    if zone is not UTC and (zone is None or value.utcoffset() is None):
        refuse(f"a timestamp needs a datetime with a time zone: {value!r}")
    delta = value - EPOCH
    return (
        <int64_t>timedelta_days(delta) * DAY_MS
        + <int64_t>timedelta_seconds(delta) * 1000
        + timedelta_microseconds(delta) // 1000
    )


# --- uuid -------------------------------------------------------------------------------------------------------------

cdef object make_uuid(const uint8_t* p):
    # UUID's own constructor costs ten times as much; what it sets is what its pickles have always held.
    made = UUID.__new__(UUID)
    PyObject_GenericSetAttr(made, "int", (<object>load_u64(p) << 64) | load_u64(p + 8))
    PyObject_GenericSetAttr(made, "is_safe", SAFE_UNKNOWN)
    return made


cdef int put_uuid(Buffer buf, object value) except -1:
    if not isinstance(value, UUID):
        refuse_type(value, "uuid")
    number = value.int
    buf.put_u64(<uint64_t>(number >> 64))
    return buf.put_u64(<uint64_t>(number & 0xFFFFFFFFFFFFFFFF))


# --- decimals ---------------------------------------------------------------------------------------------------------

# types.xml: "using the Binary Integer Decimal encoding" (IEEE 754-2008 §3.5.2), for all three widths. From the top:
# the sign; then the biased exponent and the coefficient, unless the two bits after the sign are 11: then the exponent
# follows them and the coefficient's upper bits are 100. 11110 is an infinity, 11111 a NaN, signaling with a further 1.
# A coefficient, or a payload, of more digits than the width allows reads as 0 (§3.5.2, non-canonical).

# Python's ints throughout: 128 bits are beyond C's, and decimals are rare.

cdef tuple DECIMAL_FORMS = ((32, 8, 101, 7), (64, 10, 398, 16), (128, 14, 6176, 34))
"""By index (decimal32, 64, 128): width, bits of the exponent, bias, digits."""


cdef object make_decimal(const uint8_t* p, int index):
    width, exponent_bits, bias, digits = DECIMAL_FORMS[index]
    bits = int.from_bytes(PyBytes_FromStringAndSize(<const char*>p, width // 8), "big")
    sign = "-" if bits >> (width - 1) else ""
    top = (bits >> (width - 6)) & 0b11111
    if top == 0b11111:
        text = nan_text(bits, width, width - 4 - exponent_bits, digits)
    elif top == 0b11110:
        text = "Infinity"
    else:
        text = finite_text(bits, top, width - 1 - exponent_bits, exponent_bits, bias, digits)
    return DECIMAL.__new__(DECIMAL_CLASSES[index], sign + text)


cdef str finite_text(
    object bits, object top, object coefficient_bits, object exponent_bits, object bias, object digits
):
    if top >= 0b11000:
        coefficient_bits -= 2
        coefficient = (bits & low_bits(coefficient_bits)) | (0b100 << coefficient_bits)
    else:
        coefficient = bits & low_bits(coefficient_bits)
    exponent = ((bits >> coefficient_bits) & low_bits(exponent_bits)) - bias
    return f"{coefficient if coefficient < 10 ** digits else 0}E{exponent}"


cdef str nan_text(object bits, object width, object payload_bits, object digits):
    name = "sNaN" if (bits >> (width - 7)) & 1 else "NaN"
    payload = bits & low_bits(payload_bits)
    return f"{name}{payload}" if 0 < payload < 10 ** (digits - 1) else name


cdef object low_bits(object count):
    return ~(~0 << count)


cdef int put_decimal(Buffer buf, object value, int index) except -1:
    """The data of a decimal, made to fit the width where that changes no value."""
    cls = DECIMAL_CLASSES[index]
    if type(value) is not cls:
        value = fit_decimal(value, cls)
    width, exponent_bits, bias, _ = DECIMAL_FORMS[index]
    bits = decimal_bits(value, width, width - 1 - exponent_bits, bias)
    data = bits.to_bytes(width // 8, "big")
    return buf.put_bytes(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef object fit_decimal(object value, object cls):
    if not isinstance(value, DECIMAL):
        refuse_type(value, cls.__name__.lower())
    try:
        return cls(value)
    except ValueError as error:
        refuse(str(error))


cdef object decimal_bits(object value, object width, object coefficient_bits, object bias):
    sign, digits, exponent = value.as_tuple()
    coefficient = int("".join(map(str, digits)) or "0")
    bits = sign << (width - 1)
    if exponent == "F":
        return bits | (0b11110 << (width - 6))
    if isinstance(exponent, str):
        return bits | ((0b111111 if exponent == "N" else 0b111110) << (width - 7)) | coefficient
    biased = exponent + bias
    if coefficient >> coefficient_bits:
        coefficient_bits -= 2
        coefficient = (coefficient & low_bits(coefficient_bits)) | (0b11 << (width - 3))
    return bits | (biased << coefficient_bits) | coefficient

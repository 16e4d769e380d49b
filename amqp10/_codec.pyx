# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: cdivision=True, binding=True, auto_pickle=False, autotestdict=False
"""The compiled part of amqp10: what runs per message and per byte. Protocol rules live in `amqp10.engine`.

Contents, one translation unit, each part leaning on those before it:

=================  ===================================================================================================
buffer             the cursor that is read from, the limits of a decoding, the buffer that is written to
primitives         the constructors of fixed and variable width (types.xml, "Primitive Types"), both ways
primitives_wide    the primitives that Python has objects for: decimals, timestamps, UUIDs
compound           reading any value: lists, maps, described values; read_value, skip_value; decode()
compound_array     arrays, both ways
compound_write     writing any value; write_value; the path of what cannot be encoded; encode()
composite          composites by table (types.xml, "Composite Types"): the base class, the registry, both ways
states             the composites that the codec itself makes, by their codes
message            messages: sections found and decoded when they are read (messaging.xml, "Message Format")
sections           each section, both ways
delivery           Delivery and OutgoingDelivery: the objects there is one of per message
transfer           plain transfers, both ways, without a composite in between; runs of them
frames             FrameReader and FrameWriter (transport.xml, "Framing"), protocol headers
unsettled          the unsettled deliveries of a session, by ranges of delivery-ids
dispositions       what a session has to say about deliveries, merged into ranges
settlement         settling what was received, where nothing asks for the engine's rules
outlet             sending: number, index and write a delivery in one step
=================  ===================================================================================================
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport (
    import_datetime, timedelta_days, timedelta_microseconds, timedelta_new, timedelta_seconds,
)
from cpython.dict cimport PyDict_GetItem, PyDict_Next, PyDict_Size
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_FromDouble
from cpython.list cimport PyList_GET_SIZE, PyList_New, PyList_SET_ITEM, PyList_SetSlice
from cpython.long cimport PyLong_AsLongLong, PyLong_AsUnsignedLongLong
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject, PyObject_GenericSetAttr, PyTypeObject
from cpython.ref cimport Py_INCREF, Py_TYPE, Py_XDECREF
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MAX, INT64_MIN, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy, memmove, memset

import datetime
import decimal
import uuid
from collections.abc import Mapping
from types import MemberDescriptorType

from amqp10 import types
from amqp10.errors import Condition, DecodeError, EncodeError, InvalidState, MessageTooLarge

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    int64_t PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1
    PyObject* PyDict_SetDefault(object entries, object key, object value) except NULL
    Py_ssize_t PySequence_Fast_GET_SIZE(object sequence)
    PyObject* PySequence_Fast_GET_ITEM(object sequence, Py_ssize_t index)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    bint PyUnicode_IS_ASCII(object text)
    const uint8_t* PyUnicode_1BYTE_DATA(object text)
    Py_UCS4 PyUnicode_READ_CHAR(object text, Py_ssize_t index)

cdef extern from "stdbool.h":
    ctypedef bint flag "bool"  # one byte, where bint takes four: for what there is one of per message

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member

import_datetime()

cdef enum:
    STANDARD_DEPTH = 64
    STANDARD_ELEMENTS = 1 << 20
    MAX_DEPTH_CEILING = 256  # a level takes up to 1 KiB of C stack, and some threads have 512 KiB

DEFAULT_MAX_DEPTH = STANDARD_DEPTH
DEFAULT_MAX_ELEMENTS = STANDARD_ELEMENTS

include "_codec_parts/buffer.pxi"
include "_codec_parts/primitives.pxi"
include "_codec_parts/primitives_wide.pxi"
include "_codec_parts/compound.pxi"
include "_codec_parts/compound_array.pxi"
include "_codec_parts/compound_write.pxi"
include "_codec_parts/composite.pxi"
include "_codec_parts/states.pxi"
include "_codec_parts/message.pxi"
include "_codec_parts/sections.pxi"
include "_codec_parts/delivery.pxi"
include "_codec_parts/transfer.pxi"
include "_codec_parts/frames.pxi"
include "_codec_parts/unsettled.pxi"
include "_codec_parts/dispositions.pxi"
include "_codec_parts/settlement.pxi"
include "_codec_parts/outlet.pxi"

# C reaches these without a name; Python has no business with them.
for internal in ("Buffer", "CompositeTable"):
    del globals()[internal]
del internal

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: cdivision=True, binding=True, embedsignature=False, auto_pickle=False
"""The compiled part of amqp10: what runs per message and per byte. Protocol rules live in `amqp10.engine`.

Contents, one translation unit, each part leaning on those before it:

=================  ===================================================================================================
buffer             the cursor that is read from, the limits of a decoding, the buffer that is written to
primitives         the constructors of fixed and variable width (types.xml, "Primitive Types"), both ways
primitives_wide    the primitives that Python has objects for: decimals, timestamps, UUIDs
compound           lists, maps, arrays, described values; read_value, skip_value, write_value; encode() and decode()
composite          composites by table (types.xml, "Composite Types"): the base class, the registry, both ways
=================  ===================================================================================================
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove

from amqp10.errors import DecodeError, EncodeError

cdef extern from *:
    Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    MAX_DEPTH_CEILING = 512

DEFAULT_MAX_DEPTH = 64
DEFAULT_MAX_ELEMENTS = 1 << 18

include "_codec_parts/buffer.pxi"

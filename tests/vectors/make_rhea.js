// Prints, as JSON, what rhea makes of the cases and what two of its containers say to each other.
//
// Usage: python -m tests.vectors.cases | node tests/vectors/make_rhea.js
// Values and messages are those of cases.py. Frames are what was written to a loopback socket; what they mean is told by
// rhea's own decoder and by the names in schema.json. No code of amqp10 takes part.
'use strict';

const fs = require('fs');
const rhea = require('rhea');
const types = rhea.types;
const { conversations } = require('./rhea_talk.js');

const cases = JSON.parse(fs.readFileSync(0, 'utf8'));
const SCHEMA = cases.schema;
const SECTIONS = cases.sections;

class Unsupported extends Error {}

// --- the notation into rhea's typed values, in one of several forms -------------------------------------------------
// small: the smallest constructor that holds the value; wide: the widest; native: what rhea's wrap functions choose;
// zero: small, but arrays whose elements are all alike and have a constructor without content use that.

const unhex = (text) => Buffer.from(text.slice('hex:'.length), 'hex');

function real(value) {
    return typeof value === 'string' ? Number({ 'inf': 'Infinity', '-inf': '-Infinity' }[value] || value) : value;
}

function integer64(value) {
    if (typeof value === 'number') return value;
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
    return buffer;
}

function bytes(typed) {
    const writer = new types.Writer();
    writer.write(typed);
    return writer.toBuffer();
}

function contentSize(items) {
    return items.reduce((sum, item) => sum + bytes(item).length, 0);
}

const fitsByte = (items) => items.length <= 255 && contentSize(items) + 1 <= 255;

// For every type: the raw value that rhea's constructors take.
const RAW = {
    'null': () => null, 'boolean': (v) => (v ? 1 : 0),
    'float': real, 'double': real,
    'decimal32': unhex, 'decimal64': unhex, 'decimal128': unhex,
    'ulong': integer64, 'long': integer64, 'timestamp': integer64,
    'uuid': (v) => Buffer.from(v.replaceAll('-', ''), 'hex'),
    'binary': unhex, 'string': (v) => v, 'symbol': (v) => v,
};
for (const kind of ['ubyte', 'ushort', 'uint', 'byte', 'short', 'int', 'char']) RAW[kind] = (v) => v;

// For every type: its constructors, widest first, and which raw values each of them holds.
const small = (low, high) => (v) => typeof v === 'number' && v >= low && v <= high;
const short = (v) => Buffer.byteLength(v) <= 255;
const CONSTRUCTORS = {
    'null': [[types.Null]],
    'boolean': [[types.Boolean], [types.True, (v) => v === 1], [types.False, (v) => v === 0]],
    'ubyte': [[types.Ubyte]], 'ushort': [[types.Ushort]], 'byte': [[types.Byte]], 'short': [[types.Short]],
    'uint': [[types.Uint], [types.SmallUint, small(0, 255)], [types.Uint0, small(0, 0)]],
    'ulong': [[types.Ulong], [types.SmallUlong, small(0, 255)], [types.Ulong0, small(0, 0)]],
    'int': [[types.Int], [types.SmallInt, small(-128, 127)]],
    'long': [[types.Long], [types.SmallLong, small(-128, 127)]],
    'float': [[types.Float]], 'double': [[types.Double]],
    'decimal32': [[types.Decimal32]], 'decimal64': [[types.Decimal64]], 'decimal128': [[types.Decimal128]],
    'char': [[types.CharUTF32]], 'timestamp': [[types.Timestamp]], 'uuid': [[types.Uuid]],
    'binary': [[types.Vbin32], [types.Vbin8, short]],
    'string': [[types.Str32], [types.Str8, short]],
    'symbol': [[types.Sym32], [types.Sym8, short]],
    'list': [[types.List32], [types.List8, fitsByte], [types.List0, (v) => v.length === 0]],
    'map': [[types.Map32], [types.Map8, fitsByte]],
};
const WITHOUT_CONTENT = [types.Null, types.True, types.False, types.Uint0, types.Ulong0, types.List0];

function choose(kind, form, values, inArray) {
    const [widest, ...others] = CONSTRUCTORS[kind].map(([create, holds]) => ({ create, holds: holds || (() => true) }));
    if (form === 'wide') return widest.create;
    const usable = others.filter(({ create }) => !inArray || form === 'zero' || !WITHOUT_CONTENT.includes(create));
    const chosen = [widest, ...usable].filter(({ holds }) => values.every(holds));
    return chosen[chosen.length - 1].create;
}

function raw(notation, form) {
    const [kind, value] = notation;
    if (kind === 'list') return value.map((item) => build(item, form));
    if (kind === 'map') return value.flatMap(([k, v]) => [build(k, form), build(v, form)]);
    if (kind === 'array' || kind === 'described') throw new Unsupported('rhea writes no arrays of arrays or of mixed descriptors');
    return RAW[kind](value);
}

function buildArray([, kind, elements, descriptor], form) {
    if (kind === 'array') throw new Unsupported('rhea writes no arrays of arrays');
    const values = elements.map((element) => raw(element, form));
    const typed = descriptor && build(descriptor, form);
    const code = choose(kind, form === 'native' ? 'wide' : form, values, true).typecode;
    const size = () => bytes(types.Array32(values, code, typed)).length - 1 - 4 - 4;
    const create = form !== 'wide' && form !== 'native' && values.length <= 255 && size() + 1 <= 255 ? types.Array8 : types.Array32;
    return create(values, code, typed);
}

function buildNative(notation) {
    const [kind, value] = notation;
    switch (kind) {
    case 'null': return types.Null();
    case 'list': return types.wrap_list(value.map((item) => build(item, 'native')));
    case 'map': return types.wrap_map_as_map(new Map(value.map((pair) => pair.map((item) => build(item, 'native')))));
    case 'decimal32': case 'decimal64': case 'decimal128': return choose(kind, 'small', [])(raw(notation));
    case 'boolean': return types.wrap_boolean(value);
    default: return types['wrap_' + kind](raw(notation));
    }
}

function build(notation, form) {
    const [kind] = notation;
    if (kind === 'described') {
        if (notation[2][0] === 'described') throw new Unsupported('rhea writes one descriptor a value');
        return types.described(build(notation[1], form), build(notation[2], form));
    }
    if (kind === 'array') return buildArray(notation, form);
    if (form === 'native') return buildNative(notation);
    const value = raw(notation, form);
    return choose(kind, form, [value], false)(value);
}

// --- rhea's typed values into the notation --------------------------------------------------------------------------

const KIND_OF_CODE = {};
for (const [kind, constructors] of Object.entries(CONSTRUCTORS)) {
    for (const [create] of constructors) KIND_OF_CODE[create.typecode] = kind;
}
KIND_OF_CODE[types.Array8.typecode] = KIND_OF_CODE[types.Array32.typecode] = 'array';

const hex = (buffer) => 'hex:' + buffer.toString('hex');
const BY_DESCRIPTOR = {};
for (const [name, entry] of Object.entries(SCHEMA)) BY_DESCRIPTOR[entry.code] = BY_DESCRIPTOR[entry.symbol] = name;

function spellInteger(kind, value) {
    const exact = Buffer.isBuffer(value) ? (kind === 'ulong' ? value.readBigUInt64BE() : value.readBigInt64BE()) : BigInt(value);
    const number = Number(exact);
    return Number.isSafeInteger(number) ? number : String(exact);
}

function spellReal(value) {
    if (Object.is(value, -0)) return '-0';
    return Number.isFinite(value) ? value : { 'NaN': 'nan', 'Infinity': 'inf', '-Infinity': '-inf' }[String(value)];
}

function spellUuid(value) {
    return value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function spell(kind, value) {
    switch (kind) {
    case 'boolean': return Boolean(value);
    case 'float': case 'double': return spellReal(value);
    case 'decimal32': case 'decimal64': case 'decimal128': case 'binary': return hex(value);
    case 'timestamp': return Number.isNaN(value.getTime()) ? null : value.getTime();
    case 'uuid': return spellUuid(value);
    case 'string': case 'symbol': case 'char': return value;
    default: return spellInteger(kind, value);
    }
}

function pairs(items) {
    return items.flatMap((item, n) => (n % 2 ? [] : [[notationOf(item), notationOf(items[n + 1])]]));
}

function undescribed(typed) {
    const kind = KIND_OF_CODE[typed.type.typecode];
    if (kind === 'null') return ['null'];
    if (kind === 'list') return ['list', typed.value.map(notationOf)];
    if (kind === 'map') return ['map', pairs(typed.value)];
    if (kind !== 'array') return [kind, spell(kind, typed.value)];
    const { typecode, descriptor } = typed.array_constructor;
    const elements = typed.value.map(undescribed);
    const array = ['array', KIND_OF_CODE[typecode], elements];
    return descriptor ? [...array, notationOf(descriptor)] : array;
}

function notationOf(typed) {
    return typed.descriptor ? ['described', notationOf(typed.descriptor), undescribed(typed)] : undescribed(typed);
}

// Gives the described lists of the specification, however deep, their names and those of their fields.
function named(notation) {
    const [kind, value] = notation;
    if (kind === 'described') {
        const name = BY_DESCRIPTOR[value[1]];
        return name ? ['composite', name, fieldsOf(name, notation[2])] : [kind, value, named(notation[2])];
    }
    if (kind === 'list') return [kind, value.map(named)];
    if (kind === 'map') return [kind, value.map(([k, v]) => [k, named(v)])];
    return notation;
}

function fieldsOf(name, [, items]) {
    const given = items.map((item, n) => [SCHEMA[name].fields[n], named(item)]);
    return Object.fromEntries(given.filter(([, item]) => item[0] !== 'null'));
}

// --- values ---------------------------------------------------------------------------------------------------------

// Whether rhea read back what it was given; a Date holds not every timestamp, so some of those cannot be told.
function same(read, given) {
    if (given[0] === 'timestamp' && read[0] === 'timestamp' && read[1] === null) return true;
    if (!Array.isArray(given) || !Array.isArray(read)) return Object.is(read, given) || read === given;
    return read.length === given.length && given.every((item, n) => same(read[n], item));
}

function inForms(name, forms, make) {
    const made = new Map();
    for (const form of forms) {
        const encoded = make(form);
        if (![...made.values()].some((other) => other.equals(encoded))) made.set(form, encoded);
    }
    return [...made].map(([form, encoded]) => [form === forms[0] ? name : `${name}, ${form}`, encoded]);
}

function leaveOut(name, error) {
    if (!(error instanceof Unsupported)) throw error;
    process.stderr.write(`left out: ${name}: ${error.message}\n`);
    return [];
}

function valueVectors([name, notation]) {
    try {
        return inForms(name, ['small', 'wide', 'native', 'zero'], (form) => bytes(build(notation, form))).map(([title, encoded]) => {
            const read = notationOf(new types.Reader(encoded).read());
            if (!same(read, notation)) throw new Error(`${title}: rhea reads ${JSON.stringify(read)}`);
            return { name: title, kind: 'value', hex: encoded.toString('hex'), value: notation };
        });
    } catch (error) {
        return leaveOut(name, error);
    }
}

// --- messages -------------------------------------------------------------------------------------------------------

function sectionBody(name, value) {
    if (name === 'header' || name === 'properties') {
        const fields = SCHEMA[name].fields.map((field) => value[field] || ['null']);
        while (fields.length && fields[fields.length - 1][0] === 'null') fields.pop();
        return ['list', fields];
    }
    return name === 'data' ? ['binary', value] : name === 'amqp-sequence' ? ['list', value] : value;
}

function encodeSections(message, form) {
    const parts = [];
    for (const [name, code] of Object.entries(SECTIONS)) {
        const contents = message[name] !== undefined ? [message[name]] : [];
        contents.push(...message.body.filter(([kind]) => kind === name).map(([, value]) => value));
        for (const content of contents) {
            const writer = new types.Writer();
            writer.write_typecode(0); // the value may have a descriptor of its own, of which rhea keeps only one
            writer.write(build(['ulong', code], form));
            writer.write(build(sectionBody(name, content), form));
            parts.push(writer.toBuffer());
        }
    }
    return Buffer.concat(parts);
}

function nativeMap([, entries]) {
    if (entries.some(([key]) => key[0] === 'ulong')) throw new Unsupported('rhea keeps annotations in an object, so names only');
    return Object.fromEntries(entries.map(([key, value]) => [key[1], build(value, 'native')]));
}

function nativeBody(body) {
    const [kind, value] = body[0];
    if (kind === 'amqp-value' && value[0] === 'described') throw new Unsupported('rhea writes one descriptor a value');
    if (kind === 'amqp-value') return build(value, 'native');
    const contents = body.map(([, part]) => (kind === 'data' ? unhex(part) : part.map((item) => build(item, 'native'))));
    const make = kind === 'data' ? 'data_section' : 'sequence_section';
    return contents.length > 1 ? rhea.message[make + 's'](contents) : rhea.message[make](contents[0]);
}

function nativeMessage(message) {
    const made = { body: nativeBody(message.body) };
    for (const [field, value] of Object.entries({ ...message.header, ...message.properties })) {
        made[field.replaceAll('-', '_')] = ['message-id', 'correlation-id'].includes(field) ? build(value, 'native') : nativeField(value);
    }
    for (const name of ['delivery-annotations', 'message-annotations', 'application-properties', 'footer']) {
        if (message[name]) made[name.replaceAll('-', '_')] = nativeMap(message[name]);
    }
    return made;
}

function nativeField([kind, value]) {
    return kind === 'boolean' ? value : RAW[kind](value);
}

function decodeMessage(encoded) {
    const message = { body: [] };
    const reader = new types.Reader(encoded);
    while (reader.remaining()) {
        const [, descriptor, value] = notationOf(reader.read());
        const name = Object.keys(SECTIONS).find((key) => SECTIONS[key] === descriptor[1]);
        if (name === 'header' || name === 'properties') message[name] = fieldsOf(name, value);
        else if (name === 'amqp-value') message.body.push([name, value]);
        else if (name === 'data' || name === 'amqp-sequence') message.body.push([name, value[1]]);
        else message[name] = value;
    }
    return message;
}

// Whether the message has what was asked for; rhea adds empty sections, and names the footer's entries by strings.
function says(decoded, message) {
    return Object.entries(message).every(([name, value]) => {
        if (name === 'footer') return same(decoded.footer, ['map', value[1].map(([[, key], one]) => [['string', key], one])]);
        if (Array.isArray(value)) return same(decoded[name], value);
        return Object.entries(value).every(([field, one]) => same(decoded[name][field], one));
    });
}

function messageVectors([name, message]) {
    const vectors = inForms(name, ['small', 'wide'], (form) => encodeSections(message, form))
        .map(([title, encoded]) => ({ name: title, kind: 'message', hex: encoded.toString('hex'), value: message }));
    try {
        const encoded = rhea.message.encode(nativeMessage(message));
        const decoded = decodeMessage(encoded);
        if (!says(decoded, message)) throw new Error(`${name}: ${JSON.stringify(decoded)}`);
        vectors.push({ name: `${name}, by message.encode`, kind: 'message', hex: encoded.toString('hex'), value: decoded });
    } catch (error) {
        leaveOut(`${name}, by message.encode`, error);
    }
    return vectors;
}

// --- frames ---------------------------------------------------------------------------------------------------------

function describeFrame(frame) {
    if (frame.toString('latin1', 0, 4) === 'AMQP') {
        return { 'type': 'header', 'protocol-id': frame[4], 'major': frame[5], 'minor': frame[6], 'revision': frame[7] };
    }
    const described = { type: ['amqp', 'sasl'][frame[5]], channel: frame.readUInt16BE(6), performative: null, fields: {}, payload: 'hex:' };
    const reader = new types.Reader(frame);
    reader.skip(4 * frame[4]);
    if (reader.remaining()) {
        [, described.performative, described.fields] = named(notationOf(reader.read()));
        described.payload = hex(reader.read_bytes(reader.remaining()));
    }
    return described;
}

function frameVectors(title, written) {
    return written.map(([role, frame], n) => {
        const value = describeFrame(frame);
        const what = value.performative || (value.type === 'header' ? 'header' : 'empty frame');
        return { name: `${title} ${n + 1}: ${what} of the ${role}`, kind: 'frame', hex: frame.toString('hex'), value };
    });
}

async function main() {
    const vectors = [...cases.values.flatMap(valueVectors), ...cases.messages.flatMap(messageVectors)];
    for (const [title, converse] of conversations) vectors.push(...frameVectors(title, await converse()));
    process.stdout.write(JSON.stringify(vectors));
}

main();

// Conversations between two rhea containers, over a loopback socket, that together use every frame but the empty one.
//
// Owns what is said and in which order, so that the same bytes come out each time; make_rhea.js tells what they mean.
'use strict';

const net = require('net');
const rhea = require('rhea');
const { message, types } = rhea;

const QUIET = 60; // milliseconds without a byte after which both ends are taken to be silent

// A client's and a server's connection over one TCP connection; keeps what each of them wrote.
class Wire {
    constructor() {
        this.written = [];
        this.changed = 0;
        this.client = rhea.create_container({ id: 'vectors-client' });
        this.server = rhea.create_container({ id: 'vectors-server' });
        for (const container of [this.client, this.server]) {
            for (const event of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'disconnected']) {
                container.on(event, () => {});
            }
        }
    }

    async connect(clientOptions, serverOptions) {
        const listener = net.createServer();
        await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
        const accepted = new Promise((resolve) => listener.once('connection', resolve));
        const socket = net.connect(listener.address().port, '127.0.0.1');
        const [peer] = await Promise.all([accepted, new Promise((resolve) => socket.once('connect', resolve))]);
        listener.close();
        this.record(socket, 'client');
        this.record(peer, 'server');
        this.sockets = [socket, peer];
        this.accepted = this.server.create_connection({ ...serverOptions });
        this.accepted.accept(peer);
        const connect = (port, host, options, connected) => {
            process.nextTick(connected);
            return socket;
        };
        this.connection = this.client.connect({ reconnect: false, ...clientOptions, connection_details: () => ({ connect }) });
        await this.quiet();
    }

    record(socket, role) {
        const write = socket.write.bind(socket);
        socket.write = (data, ...rest) => {
            this.written.push([role, Buffer.from(data)]);
            this.changed = Date.now();
            return write(data, ...rest);
        };
        socket.on('data', () => { this.changed = Date.now(); });
        socket.on('error', () => {});
    }

    async quiet() {
        this.changed = Date.now();
        while (Date.now() - this.changed < QUIET) await new Promise((resolve) => setTimeout(resolve, 5));
    }

    finish() {
        for (const socket of this.sockets) socket.destroy();
        return this.written;
    }
}

async function withSasl(serverMechanisms, clientOptions) {
    const wire = new Wire();
    serverMechanisms(wire.server.sasl_server_mechanisms);
    await wire.connect({ host: 'example.org', ...clientOptions }, { require_sasl: true });
    wire.connection.close();
    await wire.quiet();
    return wire.finish();
}

function steps(count) {
    let step = 0;
    const mechanism = {
        start: () => Promise.resolve(Buffer.from('challenge 0')),
        step: () => {
            step += 1;
            if (step === count) mechanism.outcome = true;
            return Promise.resolve(step === count ? undefined : Buffer.alloc(0));
        },
    };
    return mechanism;
}

function answers() {
    let step = 0;
    return {
        start: (callback) => callback(undefined, Buffer.from('initial')),
        step: (challenge, callback) => callback(undefined, step++ ? Buffer.alloc(0) : Buffer.from([0, 255])),
    };
}

const anonymous = () => withSasl((mechanisms) => mechanisms.enable_anonymous(), { username: 'joe' });
const plain = () => withSasl(
    (mechanisms) => { mechanisms.enable_anonymous(); mechanisms.enable_plain(() => true); },
    { username: 'joe', password: 'secret', host: undefined });
const refused = () => withSasl((mechanisms) => mechanisms.enable_plain(() => false), { username: 'joe', password: 'wrong' });
const failing = () => withSasl(
    (mechanisms) => mechanisms.enable_plain(() => Promise.reject(new Error('no database'))), { username: 'joe', password: 'secret' });
const challenged = () => withSasl(
    (mechanisms) => { mechanisms['X-STEPS'] = () => steps(2); }, { sasl_mechanisms: { 'X-STEPS': answers } });

// Open, several links, every transfer and outcome, and the way back, without SASL.
class Talk {
    async run() {
        const wire = this.wire = new Wire();
        this.deliveries = [];
        wire.server.on('sender_open', ({ sender }) => this.answer(sender));
        wire.server.on('receiver_open', ({ receiver }) => this.answer(receiver));
        wire.server.on('sender_draining', ({ sender }) => sender.set_drained(true));
        wire.client.on('message', ({ delivery }) => this.deliveries.push(delivery));
        await this.open();
        for (const part of ['begin', 'attach', 'flow', 'send', 'settle', 'drain', 'detach', 'end', 'close']) {
            await this[part]();
            await wire.quiet();
        }
        return wire.finish();
    }

    answer(link) {
        if (link.name === 'refused') {
            link.close({ condition: 'amqp:not-found', description: 'no such node', info: { name: 'nowhere', tries: 3 } });
            return;
        }
        if (link.source) link.set_source({ address: link.source.dynamic ? 'made-up-1' : link.source.address });
        if (link.target) link.set_target({ address: link.target.address });
    }

    async open() {
        const options = {
            container_id: 'vectors-client', hostname: 'example.org', max_frame_size: 512, channel_max: 100,
            outgoing_locales: 'en-US', incoming_locales: ['en-US', 'de-DE'],
            offered_capabilities: 'ANONYMOUS-RELAY', desired_capabilities: ['first', 'second'],
            properties: {
                product: 'vectors', version: 5, ratio: 0.5, nothing: null, list: ['a', true, -300], map: { key: 'value' },
                big: types.wrap_ulong(Buffer.from('ffffffffffffffff', 'hex')),
            },
        };
        const autoless = { autoaccept: false, autosettle: false, credit_window: 0 };
        await this.wire.connect(
            { ...options, sender_options: autoless, receiver_options: autoless },
            { max_frame_size: 512, idle_time_out: 120000, receiver_options: autoless, sender_options: autoless, disable_sasl: true });
    }

    async begin() {
        this.one = this.wire.connection.create_session();
        this.one.local.begin.handle_max = 1000;
        this.one.local.begin.offered_capabilities = ['a', 'b'];
        this.one.local.begin.properties = { 'x:key': 'value' };
        this.one.begin();
        await this.wire.quiet();
        this.two = this.wire.connection.create_session();
        this.two.begin();
    }

    async attach() {
        const { one, two } = this;
        const selector = rhea.filter.selector("color = 'green'");
        const outcomes = ['amqp:accepted:list', 'amqp:rejected:list', 'amqp:released:list', 'amqp:modified:list'];
        this.sender = one.open_sender({ name: 'plain-sender', target: { address: 'queue-1', capabilities: 'queue' } });
        await this.wire.quiet();
        this.settled = one.open_sender({ name: 'settled-sender', snd_settle_mode: 1, target: 'queue-2' });
        await this.wire.quiet();
        this.receiver = one.open_receiver({
            name: 'rich-receiver', snd_settle_mode: 0, rcv_settle_mode: 1, max_message_size: 1099511627776,
            offered_capabilities: 'one', desired_capabilities: ['two', 'three'], properties: { priority: -5, text: 'ü' },
            source: {
                address: 'topic/ü', durable: 2, expiry_policy: 'never', timeout: 300, distribution_mode: 'copy', filter: selector,
                default_outcome: message.modified({ delivery_failed: true }).described(), outcomes, capabilities: ['topic', 'shared'],
            },
            target: { address: 'here', durable: 1, expiry_policy: 'link-detach', timeout: 5 },
        });
        await this.wire.quiet();
        this.dynamic = two.open_receiver({
            name: 'dynamic-receiver',
            source: {
                dynamic: true,
                dynamic_node_properties: {
                    'lifetime-policy': types.described(types.wrap_ulong(0x2e), types.wrap_list([])), 'supported-dist-modes': 'move',
                },
            },
        });
        await this.wire.quiet();
        two.open_sender({ name: 'refused', target: 'nowhere' });
    }

    remote(link) {
        return this.wire.accepted.find_link((other) => other.name === link.name);
    }

    async flow() {
        for (const link of [this.sender, this.settled]) {
            this.remote(link).add_credit(20);
            await this.wire.quiet();
        }
        for (const link of [this.receiver, this.dynamic]) {
            link.add_credit(300);
            await this.wire.quiet();
        }
    }

    async send() {
        this.sender.send({ body: message.data_section(Buffer.from('small')) }, Buffer.from([0]));
        await this.wire.quiet();
        this.settled.send({ body: 'settled', message_id: 1 });
        await this.wire.quiet();
        this.sender.send(Buffer.from('another format'), Buffer.from('tag'), 0x00010203);
        await this.wire.quiet();
        this.sender.send({ body: message.data_section(Buffer.alloc(1200, 'x')) }, Buffer.from('0123456789abcdef0123456789abcdef'));
        await this.wire.quiet();
        for (let n = 0; n < 12; n++) {
            this.remote(this.receiver).send({ body: `message ${n}`, application_properties: { n } });
            await this.wire.quiet();
        }
    }

    async settle() {
        const error = { condition: 'amqp:decode-error', description: 'cannot be read: ü', info: { offset: 12, why: ['a', null] } };
        const answers = [
            (delivery) => delivery.update(false, message.received({ section_number: 3, section_offset: 8589934592 }).described()),
            (delivery) => delivery.accept(),
            (delivery) => delivery.update(true, message.accepted().described()),
            (delivery) => delivery.update(true, message.rejected({ error }).described()),
            (delivery) => delivery.update(true, message.rejected({}).described()),
            (delivery) => delivery.update(true, message.released().described()),
            (delivery) => delivery.update(true, message.modified({
                delivery_failed: true, undeliverable_here: true, message_annotations: { 'x-opt-why': 3 },
            }).described()),
            (delivery) => delivery.update(true, message.modified({}).described()),
        ];
        for (const [n, answer] of answers.entries()) {
            answer(this.deliveries[n]);
            await this.wire.quiet();
        }
        for (const delivery of this.deliveries.slice(answers.length)) delivery.update(true, message.accepted().described());
    }

    async drain() {
        this.dynamic.drain_credit();
    }

    async detach() {
        this.sender.detach();
        await this.wire.quiet();
        this.receiver.close();
        await this.wire.quiet();
        this.remote(this.settled).close({ condition: 'amqp:link:detach-forced', description: 'going away' });
    }

    async end() {
        this.two.close({ condition: 'amqp:session:window-violation', description: 'too many frames', info: { frames: 300 } });
        await this.wire.quiet();
        this.one.close();
    }

    async close() {
        this.wire.connection.close({ condition: 'amqp:connection:forced', info: { by: 'operator' } });
    }
}

exports.conversations = [
    ['anonymous', anonymous],
    ['plain', plain],
    ['refused', refused],
    ['failing', failing],
    ['challenged', challenged],
    ['talk', () => new Talk().run()],
];

// A charger made of npm's `ocpp-rpc` in strict mode: it checks every message of both sides against its schemas.
'use strict';

const { readFileSync } = require('node:fs');
const readline = require('node:readline');
const { NOREPLY, RPCClient, createRPCError } = require('ocpp-rpc');

const answers = {};
let client;

function tell(line) {
    process.stdout.write(JSON.stringify(line) + '\n');
}

function tlsOptions({ root, certificate }) {
    const own = certificate === null ? {} : { cert: readFileSync(certificate), key: readFileSync(certificate) };
    return { ca: readFileSync(root), ...own };
}

function makeClient({ url, identity, password, subprotocols, tls }) {
    const made = new RPCClient({
        endpoint: url,
        identity,
        password: password === null ? null : Buffer.from(password, 'hex'),
        protocols: subprotocols,
        strictMode: ['ocpp1.6'],
        reconnect: false,
        wsOpts: tls === null ? {} : tlsOptions(tls),
    });
    made.on('message', ({ message, outbound }) => tell({ [outbound ? 'sent' : 'received']: message }));
    made.on('strictValidationFailure', ({ error }) => tell({ complaint: `strict mode: ${error.message}` }));
    made.on('badMessage', ({ error }) => tell({ complaint: `bad message: ${error.message}` }));
    made.on('open', () => made.once('close', ({ code, reason }) => tell({ closed: code, reason })));
    made.handle(({ method }) => {
        if (method in answers) return answers[method] ?? NOREPLY;
        throw createRPCError('NotImplemented');
    });
    return made;
}

const deeds = {
    async connect(details) {
        client = makeClient(details);
        try {
            await client.connect();
        } catch (error) {
            if (Number.isInteger(error.code)) return { status: error.code };
            throw error;
        }
        return { status: 101, subprotocol: client.protocol };
    },
    async call({ action, payload }) {
        return await client.call(action, payload);
    },
    async answer({ action, payload }) {
        answers[action] = payload;
        return null;
    },
    async drop() {
        client.close({ force: true });
        return null;
    },
    async leave() {
        client.close();
        return null;
    },
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const { order, do: deed, ...details } = JSON.parse(line);
    try {
        tell({ order, result: await deeds[deed](details) });
    } catch (error) {
        tell({ order, error: error.rpcErrorCode ?? error.name, text: error.message });
    }
});

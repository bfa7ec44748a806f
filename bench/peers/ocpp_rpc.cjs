// A server made of npm's `ocpp-rpc`, with handlers that store nothing. Arguments: PORT [--strict]
const { RPCServer } = require('ocpp-rpc');

const port = Number(process.argv[2]);
const strictMode = process.argv.includes('--strict');
const now = () => new Date().toISOString();
let transactions = 0;

const server = new RPCServer({ protocols: ['ocpp1.6'], strictMode });
server.auth((accept, reject, handshake) => accept({ hasPassword: handshake.password !== undefined }));
server.on('client', (client) => {
  client.handle('BootNotification', () => ({ status: 'Accepted', interval: 300, currentTime: now() }));
  client.handle('Heartbeat', () => ({ currentTime: now() }));
  client.handle('MeterValues', () => ({}));
  client.handle('StartTransaction', () => ({ idTagInfo: { status: 'Accepted' }, transactionId: ++transactions }));
  client.handle('StopTransaction', () => ({ idTagInfo: { status: 'Accepted' } }));
});
server.listen(port, '127.0.0.1');

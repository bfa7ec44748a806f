// A server made of npm's `ocpp-rpc`, with handlers that store nothing. Arguments: PORT [--strict] [CERTIFICATE KEY]
const fs = require('fs');
const https = require('https');
const { RPCServer } = require('ocpp-rpc');

const port = Number(process.argv[2]);
const strictMode = process.argv.includes('--strict');
const [certificate, key] = process.argv.filter((argument) => argument.endsWith('.pem'));
const now = () => new Date().toISOString();
let transactions = 0;

const server = new RPCServer({ protocols: ['ocpp1.6'], strictMode });
server.auth((accept, reject, handshake) => accept({ hasPassword: handshake.password !== undefined }));
server.on('client', (client) => {
  client.handle('Authorize', () => ({ idTagInfo: { status: 'Accepted' } }));
  client.handle('BootNotification', () => ({ status: 'Accepted', interval: 300, currentTime: now() }));
  client.handle('DataTransfer', () => ({ status: 'Accepted' }));
  client.handle('Heartbeat', () => ({ currentTime: now() }));
  client.handle('MeterValues', () => ({}));
  client.handle('StartTransaction', () => ({ idTagInfo: { status: 'Accepted' }, transactionId: ++transactions }));
  client.handle('StatusNotification', () => ({}));
  client.handle('StopTransaction', () => ({ idTagInfo: { status: 'Accepted' } }));
});
if (certificate) {
  const overTls = https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) });
  overTls.on('upgrade', server.handleUpgrade);
  overTls.listen({ port, host: '127.0.0.1', backlog: 4096 });
} else server.listen(port, '127.0.0.1');

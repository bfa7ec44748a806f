// A server made of npm's `ocpp-ws-io`, with handlers that store nothing. Arguments: PORT [--strict]
const { OCPPServer } = require('ocpp-ws-io');

const port = Number(process.argv[2]);
const strictMode = process.argv.includes('--strict');
const now = () => new Date().toISOString();
let transactions = 0;

const server = new OCPPServer({ protocols: ['ocpp1.6'], logging: false, strictMode });
server.auth((context) => context.accept({ session: {} }));
server.on('client', (client) => {
  const handle = (action, answer) => client.handle('ocpp1.6', action, answer);
  handle('Authorize', () => ({ idTagInfo: { status: 'Accepted' } }));
  handle('BootNotification', () => ({ status: 'Accepted', interval: 300, currentTime: now() }));
  handle('DataTransfer', () => ({ status: 'Accepted' }));
  handle('Heartbeat', () => ({ currentTime: now() }));
  handle('MeterValues', () => ({}));
  handle('StartTransaction', () => ({ idTagInfo: { status: 'Accepted' }, transactionId: ++transactions }));
  handle('StatusNotification', () => ({}));
  handle('StopTransaction', () => ({ idTagInfo: { status: 'Accepted' } }));
});
server.listen(port, '127.0.0.1');

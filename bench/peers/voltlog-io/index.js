// ocpp-ws-io with `logging: false` asks for its logger and calls nothing of it.
module.exports = {};

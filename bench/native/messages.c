#define _GNU_SOURCE
#include "messages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *PASSWORD = "7f3c9a1e5b8d2046c1f7a3e9d5b08264"; /* also in prepare.py */

static const workload WORKLOADS[] = {
  {"heartbeat", 1, {HEARTBEAT}},
  {"start", 1, {START}},
  /* Nothing that a CSMS has to keep, but for the history of StatusNotifications. */
  {"protocol", 4, {HEARTBEAT, AUTHORIZE, DATA_TRANSFER, STATUS}},
  /* Five of eight are committed before they are answered. */
  {"durable", 8, {HEARTBEAT, METER_VALUES, HEARTBEAT, METER_VALUES, START, METER_VALUES, HEARTBEAT, BOOT}},
  /* A charging session: five of eight, too. */
  {"mix", 8, {START, METER_VALUES, HEARTBEAT, METER_VALUES, HEARTBEAT, METER_VALUES, STOP, HEARTBEAT}},
};

static const char *const REQUIRED[][3] = {
  [BOOT] = {"\"status\":\"Accepted\"", "\"currentTime\":\"", "\"interval\":"},
  [HEARTBEAT] = {"\"currentTime\":\""},
  [AUTHORIZE] = {"\"idTagInfo\":{", "\"status\":\"Accepted\""},
  [DATA_TRANSFER] = {"\"status\":\""},
  [STATUS] = {",{}]"},
  [METER_VALUES] = {",{}]"},
  [START] = {"\"idTagInfo\":{", "\"status\":\"Accepted\"", "\"transactionId\":"},
  [STOP] = {"{"},
};

const workload *workload_named(const char *name) {
  for (size_t i = 0; i < sizeof WORKLOADS / sizeof *WORKLOADS; i++)
    if (!strcmp(name, WORKLOADS[i].name)) return &WORKLOADS[i];
  return NULL;
}

int needs_transaction(enum action action) { return action == METER_VALUES || action == STOP; }

static const char *timestamp(void) {
  static time_t second;
  static char text[40];
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  if (t.tv_sec != second) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000Z", gmtime(&(time_t){second = t.tv_sec}));
  long microseconds = t.tv_nsec / 1000;
  for (int i = 25; i >= 20; i--, microseconds /= 10) text[i] = '0' + microseconds % 10;
  return text;
}

int compose(char *text, enum action action, const char *id, int station, uint32_t number, long transaction) {
  switch (action) {
  case BOOT:
    return sprintf(text, "[2,\"%s\",\"BootNotification\",{\"chargePointVendor\":\"VendorX\",\"chargePointModel\":"
      "\"Model-22\",\"chargePointSerialNumber\":\"SN-0001-2233\",\"firmwareVersion\":\"1.4.2-rc7\",\"iccid\":"
      "\"8944500102198304826\",\"imsi\":\"234150999999999\",\"meterType\":\"EM340\",\"meterSerialNumber\":\"M-778812\"}]",
      id);
  case HEARTBEAT:
    return sprintf(text, "[2,\"%s\",\"Heartbeat\",{}]", id);
  case AUTHORIZE:
    return sprintf(text, "[2,\"%s\",\"Authorize\",{\"idTag\":\"TAG%05d\"}]", id, station);
  case DATA_TRANSFER:
    return sprintf(text, "[2,\"%s\",\"DataTransfer\",{\"vendorId\":\"com.vendorx\",\"messageId\":\"temperature\",\"data\":"
      "\"{\\\"cabinet\\\":%u.5,\\\"unit\\\":\\\"Celsius\\\"}\"}]", id, 20 + number % 20);
  case STATUS:
    return sprintf(text, "[2,\"%s\",\"StatusNotification\",{\"connectorId\":1,\"errorCode\":\"NoError\",\"status\":\"%s\","
      "\"timestamp\":\"%s\"}]", id, number / 4 % 2 ? "Available" : "Preparing", timestamp());
  case METER_VALUES:
    return sprintf(text, "[2,\"%s\",\"MeterValues\",{\"connectorId\":1,\"transactionId\":%ld,\"meterValue\":[{\"timestamp\":"
      "\"%s\",\"sampledValue\":[{\"value\":\"%u.4\",\"context\":\"Sample.Periodic\","
      "\"measurand\":\"Energy.Active.Import.Register\",\"unit\":\"Wh\"},{\"value\":\"16.02\",\"context\":"
      "\"Sample.Periodic\",\"measurand\":\"Current.Import\",\"phase\":\"L1\",\"unit\":\"A\"},{\"value\":\"230.1\","
      "\"context\":\"Sample.Periodic\",\"measurand\":\"Voltage\",\"phase\":\"L1\",\"unit\":\"V\"}]}]}]",
      id, transaction, timestamp(), 10000 + number);
  case START:
    return sprintf(text, "[2,\"%s\",\"StartTransaction\",{\"connectorId\":1,\"idTag\":\"TAG%05d\",\"meterStart\":%u,"
      "\"timestamp\":\"%s\"}]", id, station, 10000 + number, timestamp());
  case STOP:
    return sprintf(text, "[2,\"%s\",\"StopTransaction\",{\"transactionId\":%ld,\"idTag\":\"TAG%05d\",\"meterStop\":%u,"
      "\"timestamp\":\"%s\",\"reason\":\"Local\"}]", id, transaction, station, 10000 + number, timestamp());
  }
  return 0;
}

int is_answer(const char *text, int length, enum action action, const char *id, long *transaction) {
  char expected[48];
  int n = sprintf(expected, "[3,\"%s\",{", id);
  if (length < n + 2 || memcmp(text, expected, n) || memcmp(text + length - 2, "}]", 2)) return 0;
  for (int i = 0; i < 3 && REQUIRED[action][i]; i++) {
    const char *found = memmem(text, length, REQUIRED[action][i], strlen(REQUIRED[action][i]));
    if (!found) return 0;
    if (action == START && i == 2) *transaction = strtol(found + strlen(REQUIRED[action][i]), NULL, 10);
  }
  return action != START || *transaction;
}

int mask_frame(unsigned char *frame, const char *text, int length, uint32_t key) {
  uint64_t wide_key = ((uint64_t)key << 32) | key, word;
  int head = 2, i = 0;
  frame[0] = 0x81;
  if (length < 126) frame[1] = 0x80 | length;
  else { frame[1] = 0x80 | 126; frame[2] = length >> 8; frame[3] = length; head = 4; }
  memcpy(frame + head, &key, 4);
  head += 4;
  for (; i + 8 <= length; i += 8) {
    memcpy(&word, text + i, 8);
    word ^= wide_key;
    memcpy(frame + head + i, &word, 8);
  }
  for (; i < length; i++) frame[head + i] = text[i] ^ ((unsigned char *)&key)[i & 3];
  return head + length;
}

int compose_upgrade(char *text, int room, int station, int port) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char secret[80], basic[120];
  int n = sprintf(secret, "CP%05d:%s", station, PASSWORD), o = 0;
  for (int i = 0; i < n; i += 3) { /* Base64 */
    uint32_t v = (unsigned char)secret[i] << 16 | (i + 1 < n ? (unsigned char)secret[i + 1] : 0) << 8 |
                 (i + 2 < n ? (unsigned char)secret[i + 2] : 0);
    for (int shift = 18; shift >= 0; shift -= 6) basic[o++] = digits[v >> shift & 63];
  }
  for (int i = 0; i < (3 - n % 3) % 3; i++) basic[o - 1 - i] = '=';
  return snprintf(text, room,
    "GET /ocpp/CP%05d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
    "Authorization: Basic %.*s\r\nUser-Agent: ocppgen\r\n\r\n", station, port, o, basic);
}

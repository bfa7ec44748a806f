/* ocppgen: a load of OCPP 1.6-J stations for a server on this machine. Loopback only, bounded in time and number.
 *
 * One thread and one epoll. A station has at most one CALL outstanding, as OCPP demands, and sends the next one as soon
 * as it is answered. Message ids and timestamps are fresh, so that a server which recognises retransmissions does all of
 * its work. Every reply must be the CALLRESULT of the outstanding id and have the properties that the action's schema
 * requires; anything else is counted as an error.
 *
 *   -p port   -S server's process id   -c stations   -k handshakes in flight
 *   -x heartbeat | start | mix         -w seconds of warming up   -d seconds of measuring
 *   -b stations connected before the first look at the server's memory (with -H seconds of rest before each look)
 *
 * One JSON object on standard output.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { CONNECTING, UPGRADING, BOOTING, OPEN, DEAD };
enum action { BOOT, HEARTBEAT, METER_VALUES, START, STOP };

typedef struct {
  int fd, index, step, length;
  enum state state;
  enum action asked; /* the CALL that is outstanding */
  int is_idle;
  uint32_t sequence;
  long transaction;
  uint64_t sent_at;
  char id[40], in[4096];
} station;

/* A charging session: five of eight are stored by a CSMS that keeps transactions. */
static const enum action MIX[] = {START, METER_VALUES, HEARTBEAT, METER_VALUES, HEARTBEAT, METER_VALUES, STOP, HEARTBEAT};
static const enum action HEARTBEATS[] = {HEARTBEAT}, STARTS[] = {START};
static const char *PASSWORD = "7f3c9a1e5b8d2046c1f7a3e9d5b08264"; /* also in prepare.py */

static const enum action *work = MIX;
static int work_length = 8, port, count = 100, in_flight_max = 100, before = 0, server_pid;
static double measured = 3, warming = 1, rest = 0;
static station *stations;
static int epoll, started, in_flight, open_now, dead;
static uint64_t answered, errors;
static int is_running, is_measuring;
static uint32_t *latencies;
static size_t latency_count, latency_room;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double own_cpu(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return r.ru_utime.tv_sec + r.ru_stime.tv_sec + 1e-6 * (r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* All threads of the server; `in_kernel` may be NULL. */
static double server_cpu(double *in_kernel) {
  char path[64], text[1024];
  unsigned long user = 0, kernel = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", server_pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  char *rest_of_it = strrchr(text, ')');
  if (rest_of_it)
    sscanf(rest_of_it + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
  double tick = sysconf(_SC_CLK_TCK);
  if (in_kernel) *in_kernel = kernel / tick;
  return (user + kernel) / tick;
}

/* The proportional share of memory, in KiB. */
static double server_pss(void) {
  char path[64], line[256];
  long kib = 0;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", server_pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "Pss: %ld", &kib) == 1) break;
  fclose(file);
  return kib;
}

static void complain(station *s, const char *what, const char *text, int length) {
  if (++errors <= 5) fprintf(stderr, "CP%05d: %s: %.*s\n", s->index, what, length, text);
}

static void lose(station *s, const char *why, const char *text, int length) {
  complain(s, why, text, length);
  if (s->state < OPEN) in_flight--;
  close(s->fd);
  s->state = DEAD;
  dead++;
}

/* -- what a station says ------------------------------------------------------------------------------------------ */

static void send_all(station *s, const void *data, int length) {
  if (send(s->fd, data, length, MSG_NOSIGNAL) != length) complain(s, "cannot send", strerror(errno), 80);
}

static void send_text(station *s, const char *text, int length) {
  unsigned char frame[2048];
  uint32_t key = 0x9e3779b9u * s->sequence + 0x7f4a7c15u * s->index + 1;
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
  send_all(s, frame, head + length);
}

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

static void ask(station *s, enum action action) {
  char text[1500];
  int n = 0;
  s->sequence++;
  s->asked = action;
  s->is_idle = 0;
  snprintf(s->id, sizeof s->id, "00000000-0000-4000-8000-%04x%08x", s->index & 0xffff, s->sequence);
  switch (action) {
  case BOOT:
    n = sprintf(text, "[2,\"%s\",\"BootNotification\",{\"chargePointVendor\":\"VendorX\",\"chargePointModel\":\"Model-22\","
      "\"chargePointSerialNumber\":\"SN-0001-2233\",\"firmwareVersion\":\"1.4.2-rc7\",\"iccid\":\"8944500102198304826\","
      "\"imsi\":\"234150999999999\",\"meterType\":\"EM340\",\"meterSerialNumber\":\"M-778812\"}]", s->id);
    break;
  case HEARTBEAT:
    n = sprintf(text, "[2,\"%s\",\"Heartbeat\",{}]", s->id);
    break;
  case METER_VALUES:
    n = sprintf(text, "[2,\"%s\",\"MeterValues\",{\"connectorId\":1,\"transactionId\":%ld,\"meterValue\":[{\"timestamp\":"
      "\"%s\",\"sampledValue\":[{\"value\":\"%u.4\",\"context\":\"Sample.Periodic\","
      "\"measurand\":\"Energy.Active.Import.Register\",\"unit\":\"Wh\"},{\"value\":\"16.02\",\"context\":"
      "\"Sample.Periodic\",\"measurand\":\"Current.Import\",\"phase\":\"L1\",\"unit\":\"A\"},{\"value\":\"230.1\","
      "\"context\":\"Sample.Periodic\",\"measurand\":\"Voltage\",\"phase\":\"L1\",\"unit\":\"V\"}]}]}]",
      s->id, s->transaction, timestamp(), 10000 + s->sequence);
    break;
  case START:
    n = sprintf(text, "[2,\"%s\",\"StartTransaction\",{\"connectorId\":1,\"idTag\":\"TAG%05d\",\"meterStart\":%u,"
      "\"timestamp\":\"%s\"}]", s->id, s->index, 10000 + s->sequence, timestamp());
    break;
  case STOP:
    n = sprintf(text, "[2,\"%s\",\"StopTransaction\",{\"transactionId\":%ld,\"idTag\":\"TAG%05d\",\"meterStop\":%u,"
      "\"timestamp\":\"%s\",\"reason\":\"Local\"}]", s->id, s->transaction, s->index, 10000 + s->sequence, timestamp());
    break;
  }
  s->sent_at = now();
  send_text(s, text, n);
}

static void ask_next(station *s) {
  /* The second message is one of the whole session, so that the stations are not all at the same point of it. */
  enum action action = work[s->step % work_length];
  s->step = s->step ? s->step + 1 : 1 + s->index % work_length;
  if (action != START && action != HEARTBEAT && !s->transaction) action = START;
  ask(s, action);
}

static void upgrade(station *s) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char secret[80], basic[120], text[1024];
  int n = sprintf(secret, "CP%05d:%s", s->index, PASSWORD), o = 0;
  for (int i = 0; i < n; i += 3) { /* Base64 */
    uint32_t v = (unsigned char)secret[i] << 16 | (i + 1 < n ? (unsigned char)secret[i + 1] : 0) << 8 |
                 (i + 2 < n ? (unsigned char)secret[i + 2] : 0);
    for (int shift = 18; shift >= 0; shift -= 6) basic[o++] = digits[v >> shift & 63];
  }
  for (int i = 0; i < (3 - n % 3) % 3; i++) basic[o - 1 - i] = '=';
  n = snprintf(text, sizeof text,
    "GET /ocpp/CP%05d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
    "Authorization: Basic %.*s\r\nUser-Agent: ocppgen\r\n\r\n", s->index, port, o, basic);
  send_all(s, text, n);
  s->state = UPGRADING;
  epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = s});
}

static void connect_next(void) {
  station *s = &stations[started];
  s->index = started++;
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  in_flight++;
  int one = 1;
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  /* Several source addresses, so that ephemeral ports do not run out. */
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002u + (s->index & 7))};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bind(s->fd, (void *)&from, sizeof from);
  epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &(struct epoll_event){.events = EPOLLOUT, .data.ptr = s});
  if (connect(s->fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS) lose(s, "cannot connect", strerror(errno), 80);
}

/* -- what a station hears ----------------------------------------------------------------------------------------- */

static void check(station *s, const char *text, int length) {
  static const char *const REQUIRED[] = {"\"interval\":", "\"currentTime\":", "{}", "\"transactionId\":", "{"};
  char expected[48];
  int n = sprintf(expected, "[3,\"%s\",{", s->id);
  const char *required = REQUIRED[s->asked];
  const char *found = memmem(text, length, required, strlen(required));
  if (length < n || memcmp(text, expected, n) || !found) complain(s, "wrong reply", text, length);
  else if (s->asked == START) s->transaction = strtol(found + strlen(required), NULL, 10);
}

static void take_answer(station *s, const char *text, int length) {
  check(s, text, length);
  s->is_idle = 1;
  if (s->state == BOOTING) {
    s->state = OPEN;
    open_now++;
    in_flight--;
  } else if (is_measuring) {
    answered++;
    if (latency_count == latency_room)
      latencies = realloc(latencies, (latency_room = latency_room ? latency_room * 2 : 1 << 20) * sizeof *latencies);
    latencies[latency_count++] = (now() - s->sent_at) / 100;
  }
  if (is_running) ask_next(s);
}

/* One frame, or the head of the server's answer to the upgrade; how many bytes it took, 0 if it is not complete. */
static int take_one(station *s, const char *text, int length) {
  const unsigned char *bytes = (const void *)text;
  if (s->state == UPGRADING) {
    const char *end = memmem(text, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (length < 12 || memcmp(text, "HTTP/1.1 101", 12)) { lose(s, "not let in", text, length); return 0; }
    s->state = BOOTING;
    ask(s, BOOT);
    return end + 4 - text;
  }
  if (length < 2) return 0;
  int head = 2, payload = bytes[1] & 127, kind = bytes[0] & 15;
  if (payload == 126) {
    if (length < 4) return 0;
    head = 4;
    payload = bytes[2] << 8 | bytes[3];
  }
  if (length < head + payload) return 0;
  if (kind == 8) { lose(s, "closed", text + head + 2, payload - 2); return 0; }
  if (kind == 1 || kind == 2) {
    char reply[4096];
    memcpy(reply, text + head, payload); /* the answer to it may be longer than what is left of the buffer */
    reply[payload] = 0;
    take_answer(s, reply, payload);
  }
  return head + payload;
}

static void read_all(station *s) {
  int n = recv(s->fd, s->in + s->length, sizeof s->in - s->length, 0), off = 0, taken;
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) { lose(s, "connection lost", strerror(errno), 80); return; }
  s->length += n;
  while (off < s->length && (taken = take_one(s, s->in + off, s->length - off))) off += taken;
  if (s->state == DEAD) return;
  if (!off && s->length == sizeof s->in) { lose(s, "message too long", "", 0); return; }
  memmove(s->in, s->in + off, s->length -= off);
}

static void serve_events(double seconds) {
  struct epoll_event events[512];
  struct timespec patience = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
  int n = epoll_pwait2(epoll, events, 512, &patience, NULL);
  for (int i = 0; i < n; i++) {
    station *s = events[i].data.ptr;
    int error = 0;
    if (s->state == CONNECTING) {
      getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
      if (error) lose(s, "cannot connect", strerror(error), 80);
      else upgrade(s);
    } else if (s->state != DEAD) read_all(s);
  }
}

static void serve_for(double seconds) {
  for (uint64_t end = now() + (uint64_t)(seconds * 1e9); now() < end;) serve_events(0.01);
}

static void connect_until(int wanted) {
  for (uint64_t end = now() + 60000000000ull; open_now + dead < wanted && now() < end;) {
    while (started < wanted && in_flight < in_flight_max) connect_next();
    serve_events(0.1);
  }
}

/* -- what is measured --------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static double percentile(double share) {
  return latency_count ? latencies[(size_t)(share * (latency_count - 1))] / 10.0 : 0;
}

static void measure_connecting(void) {
  connect_until(before);
  serve_for(rest);
  double memory = server_pss(), server = server_cpu(NULL), own = own_cpu();
  int stood = open_now;
  connect_until(count);
  server = server_cpu(NULL) - server;
  own = own_cpu() - own;
  serve_for(rest);
  int came = open_now - stood ? open_now - stood : 1;
  printf("{\"stations\":%d,\"connect_server_us\":%.1f,\"connect_generator_us\":%.1f,\"kib_per_station\":%.3f,",
    open_now, 1e6 * server / came, 1e6 * own / came, (server_pss() - memory) / came);
}

static void measure_work(void) {
  is_running = 1;
  for (int i = 0; i < count; i++)
    if (stations[i].state == OPEN && stations[i].is_idle) ask_next(&stations[i]);
  serve_for(warming);
  double kernel = 0, kernel_before = 0, server = server_cpu(&kernel_before), own = own_cpu();
  uint64_t since = now();
  is_measuring = 1;
  serve_for(measured);
  is_measuring = 0;
  double wall = (now() - since) / 1e9;
  server = server_cpu(&kernel) - server;
  own = own_cpu() - own;
  if (latency_count) qsort(latencies, latency_count, sizeof *latencies, by_size);
  printf("\"calls\":%lu,\"seconds\":%.3f,\"server_cpu\":%.3f,\"server_cpu_in_kernel\":%.3f,\"generator_cpu\":%.3f,"
    "\"p50_us\":%.0f,\"p99_us\":%.0f,", answered, wall, server, kernel - kernel_before, own, percentile(0.5),
    percentile(0.99));
}

int main(int argc, char **argv) {
  for (int option; (option = getopt(argc, argv, "p:S:c:k:x:w:d:b:H:")) > 0;) switch (option) {
    case 'p': port = atoi(optarg); break;
    case 'S': server_pid = atoi(optarg); break;
    case 'c': count = atoi(optarg); break;
    case 'k': in_flight_max = atoi(optarg); break;
    case 'w': warming = atof(optarg); break;
    case 'd': measured = atof(optarg); break;
    case 'b': before = atoi(optarg); break;
    case 'H': rest = atof(optarg); break;
    case 'x':
      if (!strcmp(optarg, "heartbeat")) { work = HEARTBEATS; work_length = 1; }
      else if (!strcmp(optarg, "start")) { work = STARTS; work_length = 1; }
      else if (strcmp(optarg, "mix")) return 2;
      break;
    default: return 2;
  }
  if (count < 1 || count > 15000 || before > count || measured > 60 || warming > 60 || rest > 60) return 2;
  epoll = epoll_create1(0);
  stations = calloc(count, sizeof *stations);
  measure_connecting();
  if (measured > 0) measure_work();
  printf("\"errors\":%lu,\"lost\":%d}\n", errors, dead);
  is_running = 0;
  for (int i = 0; i < started; i++)
    if (stations[i].state != DEAD) { /* no TIME_WAIT: the next run wants the ports */
      setsockopt(stations[i].fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
      close(stations[i].fd);
    }
  return 0;
}

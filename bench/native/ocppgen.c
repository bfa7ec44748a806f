/* ocppgen: a load of OCPP 1.6-J stations for a server on this machine. Loopback only, bounded in time and number.
 *
 * One thread and one epoll. A station has at most one CALL outstanding, as OCPP demands. Every reply must be the
 * CALLRESULT of the outstanding id and have the properties that the action's schema requires; anything else is counted
 * as an error, and so is every station that is lost or not let in.
 *
 *   -p port   -S server's process id   -c stations   -k handshakes in flight   -T over TLS
 *   -q stations per second that begin to connect, at most
 *   -x heartbeat | start | protocol | durable | mix, or a number: raw echoes of so many bytes, without WebSocket
 *   -b stations connected before the first look at the server (with -H seconds of rest before each look)
 *   -w seconds of warming up   -d seconds of measuring; 0: only connections are measured
 *   -r CALLs per second of all stations together, due at fixed times; without it the next one goes out when the last
 *      one is answered
 *
 * With -r a latency is counted from the moment the CALL was due, whether or not it could go out by then (no coordinated
 * omission). `lag` is what the generator itself was late by, for CALLs whose station had nothing outstanding.
 *
 * One JSON object on standard output. With -V alone: whether it can do TLS.
 */
#define _GNU_SOURCE
#include "messages.h"
#include "process.h"
#include "wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum state { CONNECTING, UPGRADING, BOOTING, OPEN, DEAD };

typedef struct {
  wire wire;
  int index, step, length;
  enum state state;
  enum action asked; /* the CALL that is outstanding */
  int is_idle, owed; /* CALLs that are due but wait for an answer */
  uint32_t sequence;
  long transaction;
  uint64_t asked_at, due; /* when the outstanding CALL went out or was due; when the first of those owed was due */
  char id[40], in[4096];
} station;

typedef struct {
  uint32_t *values; /* tenths of microseconds */
  size_t count, room;
} times;

static const workload *work;
static int port, count = 100, in_flight_max = 100, before = 0, server_pid, raw_bytes, is_tls;
static double measured = 3, warming = 1, rest = 0, rate = 0, pace = 0;
static station *stations;
static int epoll, started, in_flight, open_now, dead;
static uint64_t answered, errors, interval, window_begin, window_end; /* interval: of one station's CALLs */
static int is_running, is_measuring;
static times latencies, lags;

static void add_time(times *list, uint64_t nanoseconds) {
  if (list->count == list->room)
    list->values = realloc(list->values, (list->room = list->room ? list->room * 2 : 1 << 20) * sizeof *list->values);
  list->values[list->count++] = nanoseconds / 100;
}

static int is_in_window(uint64_t moment) { return moment >= window_begin && moment < window_end; }

static void complain(station *s, const char *what, const char *text, int length) {
  if (++errors <= 5) fprintf(stderr, "CP%05d: %s: %.*s\n", s->index, what, length, text);
}

static void lose(station *s, const char *why, const char *text, int length) {
  complain(s, why, text, length);
  if (s->state < OPEN) in_flight--;
  wire_close(&s->wire, 0);
  s->state = DEAD;
  dead++;
}

/* -- what a station says ------------------------------------------------------------------------------------------ */

static void send_all(station *s, const void *data, int length) {
  if (!wire_send(&s->wire, data, length)) complain(s, "cannot send", wire_error(), 80);
}

static void send_pong(station *s, const char *payload, int length) {
  unsigned char frame[256];
  if (length > 125) { complain(s, "a ping that is too long", "", 0); return; }
  int size = mask_frame(frame, payload, length, 0x7f4a7c15u);
  frame[0] = 0x8a;
  send_all(s, frame, size);
}

static void ask(station *s, enum action action, uint64_t due) {
  char text[1500];
  unsigned char frame[2048];
  s->sequence++;
  s->asked = action;
  s->is_idle = 0;
  s->asked_at = due;
  if (raw_bytes) {
    memset(frame, 'x', raw_bytes);
    send_all(s, frame, raw_bytes);
    return;
  }
  snprintf(s->id, sizeof s->id, "00000000-0000-4000-8000-%04x%08x", s->index & 0xffff, s->sequence);
  int length = compose(text, action, s->id, s->index, s->sequence, s->transaction);
  send_all(s, frame, mask_frame(frame, text, length, 0x9e3779b9u * s->sequence + 0x7f4a7c15u * s->index + 1));
}

static void ask_next(station *s, uint64_t due) {
  /* The second message is one of the whole session, so that the stations are not all at the same point of it. */
  enum action action = raw_bytes ? HEARTBEAT : work->actions[s->step % work->length];
  s->step = s->step || raw_bytes ? s->step + 1 : 1 + s->index % work->length;
  if (needs_transaction(action) && !s->transaction) action = START;
  ask(s, action, due);
}

static void owe(station *s, uint64_t due) {
  if (s->state != OPEN) return;
  if (s->is_idle) {
    if (is_in_window(due)) add_time(&lags, now() - due);
    ask_next(s, due);
  } else if (!s->owed++) s->due = due;
}

static void ask_what_is_owed(station *s) {
  s->owed--;
  uint64_t due = s->due;
  s->due += interval;
  ask_next(s, due);
}

static void watch(station *s, int operation, uint32_t events) {
  epoll_ctl(epoll, operation, s->wire.fd, &(struct epoll_event){.events = events, .data.ptr = s});
}

static void be_open(station *s) {
  s->state = OPEN;
  s->is_idle = 1;
  open_now++;
  in_flight--;
}

static void connect_next(void) {
  station *s = &stations[started];
  s->index = started++;
  in_flight++;
  if (!wire_open(&s->wire, port, s->index)) { lose(s, "cannot connect", wire_error(), 80); return; }
  watch(s, EPOLL_CTL_ADD, EPOLLOUT);
}

static void go_on_connecting(station *s) {
  char text[1024];
  switch (wire_advance(&s->wire)) {
  case WANTS_READ: watch(s, EPOLL_CTL_MOD, EPOLLIN); return;
  case WANTS_WRITE: watch(s, EPOLL_CTL_MOD, EPOLLOUT); return;
  case BROKEN: lose(s, "cannot connect", wire_error(), 80); return;
  case READY: break;
  }
  watch(s, EPOLL_CTL_MOD, EPOLLIN);
  if (raw_bytes) { be_open(s); return; }
  s->state = UPGRADING;
  send_all(s, text, compose_upgrade(text, sizeof text, s->index, port));
}

/* -- what a station hears ----------------------------------------------------------------------------------------- */

static void take_answer(station *s, const char *text, int length) {
  if (!raw_bytes && !is_answer(text, length, s->asked, s->id, &s->transaction)) complain(s, "wrong reply", text, length);
  if (s->state == BOOTING) {
    be_open(s);
    if (!is_running || rate) return;
  } else {
    s->is_idle = 1;
    answered += is_measuring;
    if (rate ? is_in_window(s->asked_at) : is_measuring) add_time(&latencies, now() - s->asked_at);
  }
  if (s->owed) ask_what_is_owed(s);
  else if (is_running && !rate) ask_next(s, now());
}

/* One frame, or the head of the server's answer to the upgrade; how many bytes it took, 0 if it is not complete. */
static int take_one(station *s, const char *text, int length) {
  const unsigned char *bytes = (const void *)text;
  if (raw_bytes) {
    if (length < raw_bytes) return 0;
    take_answer(s, text, raw_bytes);
    return raw_bytes;
  }
  if (s->state == UPGRADING) {
    const char *end = memmem(text, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (length < 12 || memcmp(text, "HTTP/1.1 101", 12)) { lose(s, "not let in", text, length); return 0; }
    s->state = BOOTING;
    ask(s, BOOT, now());
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
  if (kind == 9) send_pong(s, text + head, payload);
  if (kind == 8) { lose(s, "closed", text + head + 2, payload - 2); return 0; }
  if (kind == 1 || kind == 2) {
    if (s->is_idle) complain(s, "a message that nobody asked for", text + head, payload);
    else {
      char reply[4096];
      memcpy(reply, text + head, payload); /* the buffer may be written to while the next CALL is composed */
      take_answer(s, reply, payload);
    }
  }
  return head + payload;
}

static void read_all(station *s) {
  for (;;) {
    int n = wire_receive(&s->wire, s->in + s->length, sizeof s->in - s->length), off = 0, taken;
    if (!n) return;
    if (n < 0) { lose(s, "connection lost", wire_error(), 80); return; }
    s->length += n;
    while (off < s->length && (taken = take_one(s, s->in + off, s->length - off))) off += taken;
    if (s->state == DEAD) return;
    if (!off && s->length == sizeof s->in) { lose(s, "message too long", "", 0); return; }
    memmove(s->in, s->in + off, s->length -= off);
    if (!is_tls) return; /* what TLS holds already would not wake epoll */
  }
}

static void serve_events(uint64_t nanoseconds) {
  struct epoll_event events[512];
  struct timespec patience = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  int n = epoll_pwait2(epoll, events, 512, &patience, NULL);
  for (int i = 0; i < n; i++) {
    station *s = events[i].data.ptr;
    if (s->state == CONNECTING) go_on_connecting(s);
    else if (s->state != DEAD) read_all(s);
  }
}

static void serve_for(double seconds) {
  for (uint64_t end = now() + (uint64_t)(seconds * 1e9); now() < end;) serve_events(10000000);
}

static void connect_until(int wanted) {
  uint64_t begin = now(), end = begin + 120000000000ull;
  int already = started;
  while (open_now + dead < wanted && now() < end) {
    int may_start = pace ? already + 1 + (int)(pace * (now() - begin) / 1e9) : wanted;
    while (started < wanted && started < may_start && in_flight < in_flight_max) connect_next();
    serve_events(pace ? 1000000 : 100000000);
  }
  if (open_now < wanted) {
    fprintf(stderr, "%d of %d stations were let in within two minutes\n", open_now, wanted);
    errors++;
  }
}

/* -- what is measured --------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static double percentile(const times *list, double share) {
  return list->count ? list->values[(size_t)(share * (list->count - 1))] / 10.0 : 0;
}

static void sort(times *list) {
  if (list->count) qsort(list->values, list->count, sizeof *list->values, by_size);
}

static void measure_connecting(void) {
  connect_until(before);
  serve_for(rest);
  double memory = pss_of(server_pid), server = cpu_of(server_pid, NULL), own = own_cpu();
  uint64_t since = now();
  int stood = open_now;
  connect_until(count);
  double wall = (now() - since) / 1e9;
  serve_for(rest); /* what the server has put off counts, too */
  server = cpu_of(server_pid, NULL) - server;
  own = own_cpu() - own;
  int came = open_now - stood ? open_now - stood : 1;
  printf("{\"stations\":%d,\"connect_seconds\":%.3f,\"connect_server_us\":%.1f,\"connect_generator_us\":%.1f,"
    "\"kib_per_station\":%.3f,", open_now, wall, 1e6 * server / came, 1e6 * own / came,
    (pss_of(server_pid) - memory) / came);
}

static void keep_busy(void) {
  for (int i = 0; i < count; i++)
    if (stations[i].state == OPEN && stations[i].is_idle) ask_next(&stations[i], now());
  while (now() < window_begin) serve_events(10000000);
}

/* Stations take turns: CALL number n of them all is due n/rate seconds after the beginning. */
static void keep_pace(uint64_t until) {
  static uint64_t due;
  static int turn;
  uint64_t step = 1e9 / rate, t;
  interval = step * count;
  if (!due) due = now();
  while ((t = now()) < until) {
    for (; due <= t; due += step, turn = (turn + 1) % count) owe(&stations[turn], due);
    t = now();
    serve_events(due > t ? due - t : 0);
  }
}

/* CALLs that were due are waited for; those that stay unanswered are as late as they are by now, at least. */
static uint64_t wait_for_the_rest(void) {
  uint64_t patience = now() + 5000000000ull, missing = 0;
  int waiting = 1;
  while (waiting && now() < patience) {
    serve_events(10000000);
    waiting = 0;
    for (int i = 0; i < count && !waiting; i++) waiting = stations[i].state == OPEN && !stations[i].is_idle;
  }
  for (int i = 0; i < count; i++) {
    station *s = &stations[i];
    if (s->is_idle || s->state != OPEN) continue;
    if (is_in_window(s->asked_at)) { add_time(&latencies, now() - s->asked_at); missing++; }
    for (; s->owed; s->owed--, s->due += interval)
      if (is_in_window(s->due)) { add_time(&latencies, now() - s->due); missing++; }
  }
  return missing;
}

static void measure_work(void) {
  is_running = 1;
  window_begin = now() + (uint64_t)(warming * 1e9);
  window_end = window_begin + (uint64_t)(measured * 1e9);
  if (rate) keep_pace(window_begin);
  else keep_busy();
  double kernel = 0, kernel_before = 0, server = cpu_of(server_pid, &kernel_before), own = own_cpu();
  uint64_t since = now(), missing = 0;
  is_measuring = 1;
  if (rate) keep_pace(window_end);
  else serve_for(measured);
  is_measuring = 0;
  double wall = (now() - since) / 1e9;
  server = cpu_of(server_pid, &kernel) - server;
  own = own_cpu() - own;
  if (rate) missing = wait_for_the_rest();
  sort(&latencies);
  sort(&lags);
  printf("\"calls\":%lu,\"seconds\":%.3f,\"server_cpu\":%.3f,\"server_cpu_in_kernel\":%.3f,\"generator_cpu\":%.3f,"
    "\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,\"lag_p99_us\":%.0f,\"unanswered\":%lu,", answered,
    wall, server, kernel - kernel_before, own, percentile(&latencies, 0.5), percentile(&latencies, 0.9),
    percentile(&latencies, 0.99), percentile(&latencies, 0.999), percentile(&lags, 0.99), missing);
}

static int take_options(int argc, char **argv) {
  for (int option; (option = getopt(argc, argv, "p:S:c:k:x:w:d:b:H:r:q:TV")) > 0;) switch (option) {
    case 'p': port = atoi(optarg); break;
    case 'S': server_pid = atoi(optarg); break;
    case 'c': count = atoi(optarg); break;
    case 'k': in_flight_max = atoi(optarg); break;
    case 'w': warming = atof(optarg); break;
    case 'd': measured = atof(optarg); break;
    case 'b': before = atoi(optarg); break;
    case 'H': rest = atof(optarg); break;
    case 'r': rate = atof(optarg); break;
    case 'q': pace = atof(optarg); break;
    case 'T': is_tls = 1; break;
    case 'V': printf("%d\n", wire_can_tls()); exit(0);
    case 'x':
      work = workload_named(optarg);
      raw_bytes = work ? 0 : atoi(optarg);
      if (!work && (raw_bytes < 1 || raw_bytes > 2000)) return 0;
      break;
    default: return 0;
  }
  if (!work) work = workload_named("mix");
  if (rate < 0 || rate > 1e6 || count < 1 || count > 15000 || before > count) return 0;
  return measured <= 60 && warming <= 60 && rest <= 60;
}

int main(int argc, char **argv) {
  if (!take_options(argc, argv)) return 2;
  if (is_tls && !wire_use_tls()) { fputs("built without OpenSSL: no TLS\n", stderr); return 2; }
  epoll = epoll_create1(0);
  stations = calloc(count, sizeof *stations);
  measure_connecting();
  if (measured > 0) measure_work();
  printf("\"errors\":%lu,\"lost\":%d}\n", errors, dead);
  for (int i = 0; i < started; i++)
    if (stations[i].state != DEAD) wire_close(&stations[i].wire, 1);
  return 0;
}

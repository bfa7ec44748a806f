#define _GNU_SOURCE
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *error = "";

const char *wire_error(void) { return error; }

int wire_open(wire *w, int port, uint32_t from) {
  int one = 1;
  w->tls = NULL;
  w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (w->fd < 0) { error = strerror(errno); return 0; }
  setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(w->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  /* Several source addresses, so that ephemeral ports do not run out. */
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002u + (from & 7))};
  struct sockaddr_in server = {
    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bind(w->fd, (void *)&source, sizeof source);
  if (connect(w->fd, (void *)&server, sizeof server) == 0 || errno == EINPROGRESS) return 1;
  error = strerror(errno);
  return 0;
}

static int is_connected(wire *w) {
  int code = 0;
  getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &code, &(socklen_t){sizeof code});
  if (code) error = strerror(code);
  return !code;
}

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *context;

int wire_can_tls(void) { return 1; }

int wire_use_tls(void) {
  context = SSL_CTX_new(TLS_client_method());
  if (!context) return 0;
  /* The certificate is made for the occasion. Every handshake is a full one: no sessions are kept. */
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return 1;
}

static enum progress shake_hands(wire *w) {
  if (!w->tls) {
    w->tls = SSL_new(context);
    if (!w->tls || !SSL_set_fd(w->tls, w->fd) || !SSL_set_tlsext_host_name(w->tls, "localhost")) return BROKEN;
  }
  int result = SSL_connect(w->tls);
  if (result == 1) return READY;
  switch (SSL_get_error(w->tls, result)) {
  case SSL_ERROR_WANT_READ: return WANTS_READ;
  case SSL_ERROR_WANT_WRITE: return WANTS_WRITE;
  }
  error = ERR_peek_error() ? ERR_reason_error_string(ERR_get_error()) : "the TLS handshake was broken off";
  return BROKEN;
}

static int send_encrypted(wire *w, const void *data, int length) {
  if (SSL_write(w->tls, data, length) == length) return 1;
  error = "TLS cannot write";
  return 0;
}

static int receive_encrypted(wire *w, void *data, int room) {
  int n = SSL_read(w->tls, data, room);
  if (n > 0) return n;
  if (SSL_get_error(w->tls, n) == SSL_ERROR_WANT_READ) return 0;
  error = "TLS connection lost";
  ERR_clear_error();
  return -1;
}

static void drop_tls(wire *w) { SSL_free(w->tls); }
#else
static const void *const context = NULL;

int wire_can_tls(void) { return 0; }
int wire_use_tls(void) { return 0; }
static enum progress shake_hands(wire *w) { (void)w; return BROKEN; }
static int send_encrypted(wire *w, const void *data, int length) { (void)w, (void)data, (void)length; return 0; }
static int receive_encrypted(wire *w, void *data, int room) { (void)w, (void)data, (void)room; return -1; }
static void drop_tls(wire *w) { (void)w; }
#endif

enum progress wire_advance(wire *w) {
  if (!w->tls && !is_connected(w)) return BROKEN;
  return context ? shake_hands(w) : READY;
}

int wire_send(wire *w, const void *data, int length) {
  if (w->tls) return send_encrypted(w, data, length);
  if (send(w->fd, data, length, MSG_NOSIGNAL) == length) return 1;
  error = strerror(errno);
  return 0;
}

int wire_receive(wire *w, void *data, int room) {
  if (w->tls) return receive_encrypted(w, data, room);
  int n = recv(w->fd, data, room, 0);
  if (n > 0) return n;
  if (n < 0 && errno == EAGAIN) return 0;
  error = n ? strerror(errno) : "the server hung up";
  return -1;
}

void wire_close(wire *w, int is_abrupt) {
  if (w->tls) drop_tls(w);
  w->tls = NULL;
  if (is_abrupt) /* no TIME_WAIT: the next run wants the ports */
    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
  close(w->fd);
}

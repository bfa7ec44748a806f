/* A connection to the server on this machine: TCP, or TLS over it. Never blocks. */
#ifndef WIRE_H
#define WIRE_H
#include <stdint.h>

typedef struct {
  int fd;
  void *tls; /* an SSL, or NULL */
} wire;

enum progress { WANTS_READ, WANTS_WRITE, READY, BROKEN };

int wire_can_tls(void);                         /* was it built with OpenSSL? */
int wire_use_tls(void);                         /* for all wires from now on; 0 if that is not possible */
int wire_open(wire *w, int port, uint32_t from); /* begins to connect; `from` chooses one of a few source addresses */
enum progress wire_advance(wire *w);            /* goes on connecting, then with the TLS handshake */
int wire_send(wire *w, const void *data, int length); /* 1 if all of it went out */
int wire_receive(wire *w, void *data, int room);      /* bytes; 0: nothing there yet; -1: it is over */
void wire_close(wire *w, int is_abrupt);
const char *wire_error(void); /* why the last call failed */
#endif

/* What stations say, what they must hear, and in which order they say it. */
#ifndef MESSAGES_H
#define MESSAGES_H
#include <stdint.h>

enum action { BOOT, HEARTBEAT, AUTHORIZE, DATA_TRANSFER, STATUS, METER_VALUES, START, STOP };

typedef struct {
  const char *name;
  int length;
  enum action actions[8];
} workload;

const workload *workload_named(const char *name); /* NULL: there is none */
int needs_transaction(enum action action);

/* A CALL with this id, into `text`; its length. `number` grows from call to call, so nothing looks like a repetition. */
int compose(char *text, enum action action, const char *id, int station, uint32_t number, long transaction);
/* Is it the CALLRESULT of that id, accepted, with what its schema requires? Keeps the id of a new transaction. */
int is_answer(const char *text, int length, enum action action, const char *id, long *transaction);

int mask_frame(unsigned char *frame, const char *text, int length, uint32_t key); /* one text frame; its length */
int compose_upgrade(char *text, int room, int station, int port);
#endif

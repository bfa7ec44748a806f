/* What processes cost: time and memory. */
#ifndef PROCESS_H
#define PROCESS_H
#include <stdint.h>

uint64_t now(void);                         /* nanoseconds of the monotonic clock */
double own_cpu(void);                       /* seconds of this process */
double cpu_of(int pid, double *in_kernel);  /* seconds of all its threads; `in_kernel` may be NULL */
double pss_of(int pid);                     /* its proportional share of memory, KiB */
#endif

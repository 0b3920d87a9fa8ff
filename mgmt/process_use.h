/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PROCESS_USE_H
#define PROCESS_USE_H

/* What this process takes of the machine. Any thread. */

#include <stdint.h>

/* Time on CPUs, all threads together, since its start. */
uint64_t process_cpu_ns(void);
/* Memory that is there; 0: unknown. */
uint64_t process_resident_bytes(void);

#endif

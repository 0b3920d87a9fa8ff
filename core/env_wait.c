/* SPDX-License-Identifier: BSD-3-Clause */
/* core/env.h on any real machine: threads that sleep, and are woken. */

#include "core/env.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void
env_sleep_ns(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000u),
		                 .tv_nsec = (long)(ns % 1000000000u) };

	nanosleep(&time, NULL);
}

void
env_park(uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000u),
		                 .tv_nsec = (long)(ns % 1000000000u) };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &time, NULL, 0);
}

void
env_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What this process takes of the machine, as the kernel says. */
#include "mgmt/process_use.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/text.h"

uint64_t
process_resident_bytes(void)
{
	char text[128];
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;
	char *second;

	if (file == NULL) {
		return 0;
	}
	if (fgets(text, sizeof(text), file) != NULL && (second = strchr(text, ' ')) != NULL) {
		second[1 + strcspn(second + 1, " ")] = '\0';
		(void)text_u64(second + 1, &pages);
	}
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
process_cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000u +
	       ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000u;
}

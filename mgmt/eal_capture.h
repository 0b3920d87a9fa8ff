/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_CAPTURE_H
#define EAL_CAPTURE_H

/* Looks at the head of a packet capture, so that a wrong file is refused before EAL starts. */

#include <stddef.h>

/*
 * Whether net_pcap can read the file and will find Ethernet frames in it: pcap in either byte order
 * with microseconds or nanoseconds, or pcapng. Returns 0, or -errno with one clause in `why` ("is
 * not a packet capture") to stand after the file's name, and what to do in `help` (may be empty).
 */
int eal_capture_check(const char *path, char *why, size_t why_size, char *help, size_t help_size);

#endif

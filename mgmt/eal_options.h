/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_OPTIONS_H
#define EAL_OPTIONS_H

/*
 * The options of EAL 22.11, and reading an argument vector the way EAL's getopt_long does: bundled
 * short options, values in the same or the next word, "--name=value", names shortened as far as
 * they stay clear.
 */

#include "mgmt/eal_report.h"

#define EAL_OPTION_LIST(X)                                                                         \
	/* suffix, long name, short name, takes a value */                                         \
	X(COREMASK, NULL, 'c', EAL_VALUE_YES)                                                      \
	X(CORELIST, NULL, 'l', EAL_VALUE_YES)                                                      \
	X(SERVICE_MASK, NULL, 's', EAL_VALUE_YES)                                                  \
	X(SERVICE_LIST, NULL, 'S', EAL_VALUE_YES)                                                  \
	X(CHANNELS, NULL, 'n', EAL_VALUE_YES)                                                      \
	X(MEMORY, NULL, 'm', EAL_VALUE_YES)                                                        \
	X(RANKS, NULL, 'r', EAL_VALUE_YES)                                                         \
	X(DRIVER, NULL, 'd', EAL_VALUE_YES)                                                        \
	X(VERSION, NULL, 'v', EAL_VALUE_NO)                                                        \
	X(HELP, "help", 'h', EAL_VALUE_NO)                                                         \
	X(ALLOW, "allow", 'a', EAL_VALUE_YES)                                                      \
	X(BLOCK, "block", 'b', EAL_VALUE_YES)                                                      \
	X(LCORES, "lcores", 0, EAL_VALUE_YES)                                                      \
	X(MAIN_LCORE, "main-lcore", 0, EAL_VALUE_YES)                                              \
	X(MBUF_POOL_OPS, "mbuf-pool-ops-name", 0, EAL_VALUE_YES)                                   \
	X(VDEV, "vdev", 0, EAL_VALUE_YES)                                                          \
	X(IOVA_MODE, "iova-mode", 0, EAL_VALUE_YES)                                                \
	X(VMWARE_TSC_MAP, "vmware-tsc-map", 0, EAL_VALUE_NO)                                       \
	X(PROC_TYPE, "proc-type", 0, EAL_VALUE_YES)                                                \
	X(SYSLOG, "syslog", 0, EAL_VALUE_YES)                                                      \
	X(LOG_LEVEL, "log-level", 0, EAL_VALUE_YES)                                                \
	X(TRACE, "trace", 0, EAL_VALUE_YES)                                                        \
	X(TRACE_DIR, "trace-dir", 0, EAL_VALUE_YES)                                                \
	X(TRACE_BUFSZ, "trace-bufsz", 0, EAL_VALUE_YES)                                            \
	X(TRACE_MODE, "trace-mode", 0, EAL_VALUE_YES)                                              \
	X(IN_MEMORY, "in-memory", 0, EAL_VALUE_NO)                                                 \
	X(BASE_VIRTADDR, "base-virtaddr", 0, EAL_VALUE_YES)                                        \
	X(TELEMETRY, "telemetry", 0, EAL_VALUE_NO)                                                 \
	X(NO_TELEMETRY, "no-telemetry", 0, EAL_VALUE_NO)                                           \
	X(SIMD_BITWIDTH, "force-max-simd-bitwidth", 0, EAL_VALUE_YES)                              \
	X(HUGE_UNLINK, "huge-unlink", 0, EAL_VALUE_MAY)                                            \
	X(NO_HUGE, "no-huge", 0, EAL_VALUE_NO)                                                     \
	X(NO_PCI, "no-pci", 0, EAL_VALUE_NO)                                                       \
	X(NO_HPET, "no-hpet", 0, EAL_VALUE_NO)                                                     \
	X(NO_SHCONF, "no-shconf", 0, EAL_VALUE_NO)                                                 \
	X(SOCKET_MEM, "socket-mem", 0, EAL_VALUE_YES)                                              \
	X(SOCKET_LIMIT, "socket-limit", 0, EAL_VALUE_YES)                                          \
	X(HUGE_DIR, "huge-dir", 0, EAL_VALUE_YES)                                                  \
	X(FILE_PREFIX, "file-prefix", 0, EAL_VALUE_YES)                                            \
	X(CREATE_UIO_DEV, "create-uio-dev", 0, EAL_VALUE_NO)                                       \
	X(VFIO_INTR, "vfio-intr", 0, EAL_VALUE_YES)                                                \
	X(VFIO_VF_TOKEN, "vfio-vf-token", 0, EAL_VALUE_YES)                                        \
	X(LEGACY_MEM, "legacy-mem", 0, EAL_VALUE_NO)                                               \
	X(SINGLE_FILE, "single-file-segments", 0, EAL_VALUE_NO)                                    \
	X(MATCH_ALLOCATIONS, "match-allocations", 0, EAL_VALUE_NO)                                 \
	X(HUGE_WORKER_STACK, "huge-worker-stack", 0, EAL_VALUE_MAY)

enum eal_value { EAL_VALUE_NO, EAL_VALUE_YES, EAL_VALUE_MAY };

enum eal_option {
#define EAL_OPTION_ENUM(suffix, name, letter, value) EAL_##suffix,
	EAL_OPTION_LIST(EAL_OPTION_ENUM)
#undef EAL_OPTION_ENUM
	    EAL_OPTION_COUNT
};

struct eal_typed {
	enum eal_option option;
	const char *value; /* NULL: none */
	char where[128];   /* "-l 0-7", as typed, for messages */
};

#define EAL_TYPED_MAX 128u

struct eal_typed_list {
	struct eal_typed typed[EAL_TYPED_MAX];
	uint32_t count;
};

/*
 * Reads the words that stand in EAL's part of the command line (no program name). Everything that
 * EAL would not take is an error in the report; what was understood is in the list all the same.
 */
void eal_options_read(struct eal_typed_list *list, int argc, char *const *argv,
                      struct eal_report *report);
/* The last time the option was typed, or NULL. */
const struct eal_typed *eal_options_find(const struct eal_typed_list *list, enum eal_option option);

#endif

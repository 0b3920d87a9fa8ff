/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef INGEST_LOG_H
#define INGEST_LOG_H

/* What takes snapshots tells a slice of ingest_log that its log may become shorter. */

#include "core/lm_op.h"

/*
 * The oldest snapshot that is kept has these bytes of the slice (what its `serialize` wrote): rows
 * below them are not needed any more. A control thread, while the slice is open. 0, or -errno and
 * why.
 */
int ingest_log_trim(struct lm_op *op, const void *written, size_t size, char *why, size_t why_size);

#endif

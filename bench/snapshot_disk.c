/* SPDX-License-Identifier: BSD-3-Clause */
/* placeholder */
#include "bench/snap_job.h"
bool bench_snapshot_write(uint32_t runs, bool small);
bool bench_snapshot_write(uint32_t runs, bool small){(void)runs;(void)small;return true;}
bool bench_snapshot_incremental(uint32_t runs, bool small){(void)runs;(void)small;return true;}
bool bench_restore(uint32_t runs, bool small){(void)runs;(void)small;return true;}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HGRM_H
#define HGRM_H

/*
 * A histogram as HdrHistogram's percentile text (".hgrm"), which its plotters open: columns Value,
 * Percentile, TotalCount, 1/(1-Percentile). Five lines for each halving of the distance to 100 %.
 */

#include <stdio.h>

#include "core/lm_stats.h"

/*
 * Writes the text. Values are divided by `scale` (1000: recorded in ns, written in µs); `unit` and
 * `title` (NULL: none) stand in comment lines at the top. Returns 0 or -EIO.
 */
int hgrm_write(FILE *out, const struct lm_hist *hist, const char *title, const char *unit,
               double scale);
/* The same into a file that is replaced as a whole. Returns 0 or -errno. */
int hgrm_write_file(const char *path, const struct lm_hist *hist, const char *title,
                    const char *unit, double scale);

#endif

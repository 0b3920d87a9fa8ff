/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PORT_SOURCE_H
#define PORT_SOURCE_H

/* What placement asks of an operator before anything runs. Pure. */

#include "core/lm_op.h"

/* The port that an operator reads, as the topology names it; NULL: it reads none. */
const char *port_source_port(const struct lm_op_class *class, const void *config);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DIMMS_H
#define DIMMS_H

/* Memory modules and the channels they sit in, from the firmware's table (DMI type 17). */

#include "mgmt/hostfs.h"

struct dimms {
	uint32_t slots, filled;
	uint32_t channels, channels_filled; /* 0 channels: the slots' names do not say */
	char empty[64];                     /* a channel without a module: "CPU1 CHANNEL C" */
};

/* Returns 0, or -errno when the table cannot be read (not root, a virtual machine). */
int dimms_read(struct dimms *dimms, const struct hostfs *host);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory modules and the channels they sit in, from the firmware's table (DMI type 17). */
#include "mgmt/dimms.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DIMMS_TYPE 17u
#define DIMMS_HEADER_MIN 0x12u
#define DIMMS_SIZE 0x0cu    /* two bytes; 0: nothing in the slot */
#define DIMMS_LOCATOR 0x10u /* number of a string */
#define DIMMS_CHANNELS_MAX 64u

struct dimms_channel {
	char name[64];
	uint32_t filled;
};

/* String `number` (from 1) of a structure: they stand behind it, each ended by 0. "" for none. */
static const char *
dimms_string(const uint8_t *raw, size_t size, uint8_t number)
{
	size_t at = raw[1];

	while (number > 1 && at < size && raw[at] != 0) {
		at += strnlen((const char *)raw + at, size - at) + 1;
		number--;
	}
	return number == 1 && at < size ? (const char *)raw + at : "";
}

/*
 * The channel of a slot: its name without the slot's own number at the end. "CPU1_DIMM_A2" and
 * "P0 CHANNEL A DIMM1" lose the 2 and the "DIMM1".
 */
static void
dimms_channel_name(const char *locator, char *name, size_t size)
{
	size_t length;
	char *dimm;

	snprintf(name, size, "%s", locator);
	length = strlen(name);
	while (length > 0 && isdigit((unsigned char)name[length - 1])) {
		name[--length] = '\0';
	}
	dimm = length >= 4 ? name + length - 4 : NULL;
	if (dimm != NULL && strcasecmp(dimm, "DIMM") == 0) {
		*dimm = '\0';
		length -= 4;
		while (length > 0 && strchr(" _-", name[length - 1]) != NULL) {
			name[--length] = '\0';
		}
	}
}

static void
dimms_add(struct dimms *dimms, struct dimms_channel *channel, const uint8_t *raw, size_t size)
{
	char name[sizeof(channel->name)];
	bool filled = (raw[DIMMS_SIZE] | raw[DIMMS_SIZE + 1]) != 0;
	uint32_t i = 0;

	dimms->slots++;
	dimms->filled += filled;
	dimms_channel_name(dimms_string(raw, size, raw[DIMMS_LOCATOR]), name, sizeof(name));
	while (i < dimms->channels && strcmp(channel[i].name, name) != 0) {
		i++;
	}
	if (i == DIMMS_CHANNELS_MAX) {
		return;
	}
	if (i == dimms->channels) {
		memcpy(channel[i].name, name, sizeof(name));
		channel[i].filled = 0;
		dimms->channels++;
	}
	channel[i].filled += filled;
}

int
dimms_read(struct dimms *dimms, const struct hostfs *host)
{
	struct dimms_channel channel[DIMMS_CHANNELS_MAX];
	struct hostfs_names names;
	int error = hostfs_list(host, &names, "sys/firmware/dmi/entries");

	memset(dimms, 0, sizeof(*dimms));
	for (uint32_t i = 0; i < names.count; i++) {
		char raw[1024];
		ssize_t size;

		if (strncmp(names.name[i], "17-", 3) != 0) {
			continue;
		}
		size = hostfs_read(host, raw, sizeof(raw), "sys/firmware/dmi/entries/%s/raw",
		                   names.name[i]);
		if (size < 0) {
			error = (int)size;
		} else if ((size_t)size > DIMMS_HEADER_MIN && raw[0] == DIMMS_TYPE &&
		           (uint8_t)raw[1] > DIMMS_LOCATOR) {
			dimms_add(dimms, channel, (const uint8_t *)raw, (size_t)size);
		}
	}
	hostfs_names_free(&names);
	if (dimms->slots == 0) {
		return error != 0 ? error : -ENOENT;
	}
	/* One name for all slots, or one for each: the names say nothing of channels. */
	if (dimms->channels == 1 && dimms->slots > 1) {
		dimms->channels = 0;
	}
	for (uint32_t i = 0; i < dimms->channels; i++) {
		dimms->channels_filled += channel[i].filled > 0;
		if (channel[i].filled == 0 && dimms->empty[0] == '\0') {
			memcpy(dimms->empty, channel[i].name, sizeof(dimms->empty));
		}
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks at the head of a packet capture: is it one, and of Ethernet frames? */
#include "mgmt/eal_capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAPTURE_HEAD 65536u

#define CAPTURE_PCAP_US 0xa1b2c3d4u
#define CAPTURE_PCAP_NS 0xa1b23c4du
#define CAPTURE_PCAPNG 0x0a0d0d0au
#define CAPTURE_PCAPNG_ORDER 0x1a2b3c4du
#define CAPTURE_PCAPNG_INTERFACE 1u
#define CAPTURE_PCAP_HEADER 24u

#define CAPTURE_ETHERNET 1u

static const struct {
	uint32_t type;
	const char *name;
} capture_links[] = {
	{ 0, "BSD loopback" },
	{ 12, "raw IP" },
	{ 14, "raw IP" },
	{ 101, "raw IP" },
	{ 105, "IEEE 802.11" },
	{ 108, "OpenBSD loopback" },
	{ 113, "Linux \"any\"" },
	{ 127, "802.11 radiotap" },
	{ 189, "USB" },
	{ 276, "Linux \"any\"" },
	{ 9, "PPP" },
	{ 228, "raw IPv4" },
	{ 229, "raw IPv6" },
};

static uint32_t
capture_u32(const uint8_t *bytes, bool swapped)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return swapped ? __builtin_bswap32(value) : value;
}

static uint32_t
capture_u16(const uint8_t *bytes, bool swapped)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return swapped ? __builtin_bswap16(value) : value;
}

/* The link type of the first interface of a pcapng file: 0 and the type, or -EINVAL. */
static int
capture_pcapng(const uint8_t *head, size_t size, uint32_t *link)
{
	size_t at = 0;
	bool swapped = false;

	while (at + 12 <= size) {
		uint32_t type = capture_u32(head + at, swapped), length;

		if (type == CAPTURE_PCAPNG) {
			swapped = capture_u32(head + at + 8, false) != CAPTURE_PCAPNG_ORDER;
			if (swapped && capture_u32(head + at + 8, true) != CAPTURE_PCAPNG_ORDER) {
				return -EINVAL;
			}
		}
		length = capture_u32(head + at + 4, swapped);
		if (type == CAPTURE_PCAPNG_INTERFACE) {
			*link = capture_u16(head + at + 8, swapped);
			return 0;
		}
		if (length < 12 || length % 4 != 0 || length > size - at) {
			return -EINVAL;
		}
		at += length;
	}
	return -EINVAL;
}

/* 0 and the link type, or -EINVAL: not a capture. */
static int
capture_head(const uint8_t *head, size_t size, uint32_t *link)
{
	uint32_t magic, reversed;

	if (size < 12) {
		return -EINVAL;
	}
	magic = capture_u32(head, false);
	reversed = capture_u32(head, true);
	if (magic == CAPTURE_PCAPNG) {
		return capture_pcapng(head, size, link);
	}
	if (magic != CAPTURE_PCAP_US && magic != CAPTURE_PCAP_NS && reversed != CAPTURE_PCAP_US &&
	    reversed != CAPTURE_PCAP_NS) {
		return -EINVAL;
	}
	if (size < CAPTURE_PCAP_HEADER) {
		return -EINVAL;
	}
	/* The upper bits say whether frames end in a check sequence, and how long it is. */
	*link = capture_u32(head + 20, reversed == CAPTURE_PCAP_US || reversed == CAPTURE_PCAP_NS) &
	        0x03ffffffu;
	return 0;
}

static ssize_t
capture_read(const char *path, uint8_t *head)
{
	struct stat facts;
	ssize_t size = 0, got;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (file < 0) {
		return -errno;
	}
	if (fstat(file, &facts) == 0 && S_ISDIR(facts.st_mode)) {
		close(file);
		return -EISDIR;
	}
	do {
		got = read(file, head + size, CAPTURE_HEAD - (size_t)size);
		size += got > 0 ? got : 0;
	} while (got > 0 && (size_t)size < CAPTURE_HEAD);
	got = got < 0 ? -errno : 0;
	close(file);
	return got < 0 ? got : size;
}

static const char *
capture_link_name(uint32_t link)
{
	for (size_t i = 0; i < sizeof(capture_links) / sizeof(capture_links[0]); i++) {
		if (capture_links[i].type == link) {
			return capture_links[i].name;
		}
	}
	return "other";
}

int
eal_capture_check(const char *path, char *why, size_t why_size, char *help, size_t help_size)
{
	uint8_t head[CAPTURE_HEAD];
	ssize_t size = capture_read(path, head);
	uint32_t link = CAPTURE_ETHERNET;

	help[0] = '\0';
	if (size == -ENOENT) {
		snprintf(why, why_size, "does not exist");
		return -ENOENT;
	}
	if (size < 0) {
		snprintf(why, why_size, "cannot be read: %s", strerror((int)-size));
		return (int)size;
	}
	if (size == 0) {
		snprintf(why, why_size, "is empty");
		return -EINVAL;
	}
	if (capture_head(head, (size_t)size, &link) != 0) {
		snprintf(why, why_size, "is not a packet capture (neither pcap nor pcapng)");
		if (size > 2 && head[0] == 0x1f && head[1] == 0x8b) {
			snprintf(help, help_size, "it is compressed: gunzip it first");
		}
		return -EINVAL;
	}
	if (link != CAPTURE_ETHERNET) {
		snprintf(why, why_size, "holds %s frames (link type %u), not Ethernet",
		         capture_link_name(link), link);
		snprintf(help, help_size,
		         "capture on an Ethernet interface, or convert the file "
		         "with tcprewrite --dlt=enet");
		return -EINVAL;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/eal_capture.c: heads of captures, good ones and all the ways in which they are not. */
#include "mgmt/eal_capture.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char why[160], help[160];

static int
check_bytes(const void *bytes, size_t size)
{
	char path[] = "/tmp/lodemill-capture-XXXXXX";
	int file = mkstemp(path), result;

	assert_true(file >= 0);
	assert_int_equal(write(file, bytes, size), (ssize_t)size);
	close(file);
	result = eal_capture_check(path, why, sizeof(why), help, sizeof(help));
	unlink(path);
	return result;
}

/* The head of a pcap file with this magic and link type, in the other byte order if asked. */
static int
check_pcap(uint32_t magic, uint32_t link, bool swapped)
{
	uint32_t head[6] = { magic, 0x00040002, 0, 0, 65535, link };

	for (int i = 0; swapped && i < 6; i++) {
		head[i] = __builtin_bswap32(head[i]);
	}
	return check_bytes(head, sizeof(head));
}

static void
test_pcap(void **state)
{
	(void)state;
	assert_int_equal(check_pcap(0xa1b2c3d4, 1, false), 0);
	assert_int_equal(check_pcap(0xa1b2c3d4, 1, true), 0);
	assert_int_equal(check_pcap(0xa1b23c4d, 1, false), 0);
	assert_int_equal(check_pcap(0xa1b23c4d, 1, true), 0);
	/* The length of the frame check sequence in the upper bits does not matter. */
	assert_int_equal(check_pcap(0xa1b2c3d4, 0x24000001, false), 0);
}

static void
test_other_links(void **state)
{
	(void)state;
	assert_int_equal(check_pcap(0xa1b2c3d4, 113, true), -EINVAL);
	assert_string_equal(why, "holds Linux \"any\" frames (link type 113), not Ethernet");
	assert_true(help[0] != '\0');
	assert_int_equal(check_pcap(0xa1b2c3d4, 101, false), -EINVAL);
	assert_string_equal(why, "holds raw IP frames (link type 101), not Ethernet");
}

static void
test_pcapng(void **state)
{
	/* Section header, one block nobody knows, then an interface. */
	uint32_t head[] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1,  0xffffffff, 0xffffffff, 28, 0x0bad,
		            12,         12, 1,          20, 1,          0,          20 };
	size_t count = sizeof(head) / sizeof(head[0]);

	(void)state;
	assert_int_equal(check_bytes(head, sizeof(head)), 0);
	for (size_t i = 0; i < count; i++) {
		head[i] = __builtin_bswap32(head[i]);
	}
	/* The link type has two bytes only. */
	head[12] = __builtin_bswap32(1u << 16);
	assert_int_equal(check_bytes(head, sizeof(head)), 0);
	head[12] = __builtin_bswap32(105u << 16);
	assert_int_equal(check_bytes(head, sizeof(head)), -EINVAL);
	assert_string_equal(why, "holds IEEE 802.11 frames (link type 105), not Ethernet");
	/* A block longer than what there is. */
	head[8] = __builtin_bswap32(4096);
	assert_int_equal(check_bytes(head, sizeof(head)), -EINVAL);
	/* Cut everywhere: never read past the end, never taken for good before the interface. */
	for (size_t size = 0; size < 48; size++) {
		assert_int_equal(check_bytes(head, size), -EINVAL);
	}
}

static void
test_no_capture(void **state)
{
	(void)state;
	assert_int_equal(check_bytes("", 0), -EINVAL);
	assert_string_equal(why, "is empty");
	assert_int_equal(check_bytes("time,src,dst\n1,2,3\n", 19), -EINVAL);
	assert_string_equal(why, "is not a packet capture (neither pcap nor pcapng)");
	assert_int_equal(check_bytes("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12),
	                 -EINVAL);
	assert_string_equal(help, "it is compressed: gunzip it first");
	assert_int_equal(check_bytes("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00", 12),
	                 -EINVAL);
	assert_int_equal(
	    eal_capture_check("/nonexistent/x.pcap", why, sizeof(why), help, sizeof(help)),
	    -ENOENT);
	assert_string_equal(why, "does not exist");
	assert_int_equal(eal_capture_check("/tmp", why, sizeof(why), help, sizeof(help)), -EISDIR);
	assert_string_equal(why, "cannot be read: Is a directory");
}

static void
test_real_captures(void **state)
{
	const char *shared = getenv("LODEMILL_SHARED");
	char folder[512], path[1024];
	struct dirent *entry;
	uint32_t seen = 0;
	DIR *dir;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/data/pcap", shared != NULL ? shared : "../shared");
	dir = opendir(folder);
	if (dir == NULL) {
		skip();
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, ".pcap") == NULL) {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (eal_capture_check(path, why, sizeof(why), help, sizeof(help)) != 0 &&
		    strstr(why, "not Ethernet") == NULL) {
			fail_msg("%s %s", path, why);
		}
		seen++;
	}
	closedir(dir);
	assert_true(seen > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap),          cmocka_unit_test(test_other_links),
		cmocka_unit_test(test_pcapng),        cmocka_unit_test(test_no_capture),
		cmocka_unit_test(test_real_captures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

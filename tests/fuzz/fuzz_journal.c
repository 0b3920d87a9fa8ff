/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzing records of the manager's journal: what is taken for one is whole, and can be written
 * again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/journal_record.h"

#define REQUIRE(truth)                                                                             \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct journal_clock clock = { .now_ns = 1000, .wall_ns = 5000 };
	struct manager_past past = { 0 }, again = { 0 };
	static struct manager manager;
	struct action action, copy;
	char *text;

	if (!journal_record_read((const char *)data, size, &clock, &action, &past)) {
		return 0;
	}
	REQUIRE(past.next_id > 0);
	REQUIRE(action.id < past.next_id);
	manager_init(&manager);
	manager.next_id = past.next_id;
	manager.is_inactive = past.is_inactive;
	text = journal_record_write(&manager, action.id == 0 ? NULL : &action, &clock);
	REQUIRE(text != NULL);
	REQUIRE(journal_record_read(text, strlen(text), &clock, &copy, &again));
	REQUIRE(again.next_id == past.next_id && again.is_inactive == past.is_inactive);
	REQUIRE(copy.id == action.id);
	REQUIRE(action.id == 0 ||
	        (copy.state == action.state && copy.kind == action.kind &&
	         strcmp(copy.reason, action.reason) == 0 && copy.asked_ns == action.asked_ns));
	free(text);
	/* It may stand in a journal: a manager takes it. */
	if (action.id != 0) {
		manager_init(&manager);
		manager_restore(&manager, &action);
		manager_restored(&manager, &past, clock.now_ns);
		REQUIRE(past.next_id - action.id > MANAGER_LOG ||
		        manager_find(&manager, action.id)->state >= ACTION_DONE);
	}
	return 0;
}

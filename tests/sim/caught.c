/* SPDX-License-Identifier: BSD-3-Clause */
/* Written by tests/sim/caught.py. */

#include "tests/sim/caught.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *scenario;
	enum canary canary;
	uint64_t seed;
} caught[] = {
	{ "graphs", CANARY_LOSE_PARTIAL, 3 },     { "graphs", CANARY_EARLY_MARKER, 6 },
	{ "graphs", CANARY_EARLY_WATERMARK, 6 },  { "graphs", CANARY_WRONG_SLOT, 74 },
	{ "graphs", CANARY_LEAK_BATCH, 1 },       { "graphs", CANARY_DOUBLE_RESUME, 1 },
	{ "graphs", CANARY_LOST_MAIL, 59 },       { "graphs", CANARY_TWO_OWNERS, 6 },
	{ "graphs", CANARY_LOST_CALL, 19 },       { "graphs", CANARY_EARLY_SWITCH, 9 },
	{ "graphs", CANARY_DEAF_SOURCE, 8 },      { "stops", CANARY_LOSE_PARTIAL, 3 },
	{ "stops", CANARY_EARLY_MARKER, 6 },      { "stops", CANARY_EARLY_WATERMARK, 6 },
	{ "stops", CANARY_WRONG_SLOT, 74 },       { "stops", CANARY_LEAK_BATCH, 1 },
	{ "stops", CANARY_DOUBLE_RESUME, 1 },     { "stops", CANARY_LOST_MAIL, 66 },
	{ "stops", CANARY_TWO_OWNERS, 1 },        { "stops", CANARY_LOST_CALL, 1 },
	{ "stops", CANARY_EARLY_SWITCH, 8 },      { "stops", CANARY_DEAF_SOURCE, 6 },
	{ "flows", CANARY_LOSE_PARTIAL, 1 },      { "flows", CANARY_EARLY_MARKER, 1 },
	{ "flows", CANARY_EARLY_WATERMARK, 18 },  { "flows", CANARY_WRONG_SLOT, 6 },
	{ "flows", CANARY_LEAK_BATCH, 1 },        { "flows", CANARY_UNTOUCHED_KEY, 23 },
	{ "flows", CANARY_UNTOUCHED_VALUE, 2 },   { "flows", CANARY_LATE_LOG, 20 },
	{ "flows", CANARY_LATE_INSERT, 132 },     { "flows", CANARY_LOST_MAIL, 172 },
	{ "flows", CANARY_TWO_OWNERS, 7 },        { "flows", CANARY_EARLY_SWITCH, 1 },
	{ "flows", CANARY_EARLY_TURN, 1 },        { "flows", CANARY_LOST_HAND, 1 },
	{ "flows", CANARY_DEAF_SOURCE, 12 },      { "flows", CANARY_PAGE_LEFT, 8 },
	{ "decoded", CANARY_LOSE_PARTIAL, 1 },    { "decoded", CANARY_EARLY_MARKER, 1 },
	{ "decoded", CANARY_EARLY_WATERMARK, 1 }, { "decoded", CANARY_WRONG_SLOT, 30 },
	{ "decoded", CANARY_LEAK_BATCH, 1 },      { "decoded", CANARY_UNTOUCHED_KEY, 9 },
	{ "decoded", CANARY_UNTOUCHED_VALUE, 9 }, { "decoded", CANARY_LATE_LOG, 9 },
	{ "decoded", CANARY_LATE_INSERT, 22 },    { "decoded", CANARY_LOST_MAIL, 44 },
	{ "decoded", CANARY_TWO_OWNERS, 4 },      { "decoded", CANARY_EARLY_SWITCH, 1 },
	{ "decoded", CANARY_EARLY_TURN, 1 },      { "decoded", CANARY_LOST_HAND, 1 },
	{ "decoded", CANARY_DEAF_SOURCE, 10 },    { "decoded", CANARY_PAGE_LEFT, 22 },
	{ "words", CANARY_LOSE_PARTIAL, 1 },      { "words", CANARY_EARLY_MARKER, 1 },
	{ "words", CANARY_WRONG_SLOT, 1 },        { "words", CANARY_LEAK_BATCH, 1 },
	{ "words", CANARY_DOUBLE_RESUME, 1 },     { "words", CANARY_UNTOUCHED_KEY, 62 },
	{ "words", CANARY_UNTOUCHED_VALUE, 7 },   { "words", CANARY_LATE_LOG, 7 },
	{ "words", CANARY_LOST_MAIL, 14 },        { "words", CANARY_TWO_OWNERS, 1 },
	{ "words", CANARY_LOST_CALL, 7 },         { "words", CANARY_EARLY_SWITCH, 3 },
	{ "words", CANARY_EARLY_TURN, 3 },        { "words", CANARY_LOST_HAND, 8 },
	{ "words", CANARY_DEAF_SOURCE, 28 },      { "words", CANARY_PAGE_LEFT, 7 },
	{ "windows", CANARY_LOSE_PARTIAL, 1 },    { "windows", CANARY_EARLY_MARKER, 1 },
	{ "windows", CANARY_EARLY_WATERMARK, 5 }, { "windows", CANARY_WRONG_SLOT, 1 },
	{ "windows", CANARY_LEAK_BATCH, 1 },      { "windows", CANARY_UNTOUCHED_KEY, 81 },
	{ "windows", CANARY_UNTOUCHED_VALUE, 1 }, { "windows", CANARY_LATE_LOG, 46 },
	{ "windows", CANARY_COPY_PASSED, 1 },     { "windows", CANARY_IMAGE_WINS, 1 },
	{ "windows", CANARY_LOST_MAIL, 24 },      { "windows", CANARY_TWO_OWNERS, 3 },
	{ "windows", CANARY_EARLY_SWITCH, 43 },   { "windows", CANARY_EARLY_TURN, 43 },
	{ "windows", CANARY_LOST_HAND, 46 },      { "windows", CANARY_DEAF_SOURCE, 9 },
	{ "windows", CANARY_PAGE_LEFT, 3 },       { "aging", CANARY_LOSE_PARTIAL, 1 },
	{ "aging", CANARY_EARLY_MARKER, 2 },      { "aging", CANARY_EARLY_WATERMARK, 1 },
	{ "aging", CANARY_WRONG_SLOT, 1 },        { "aging", CANARY_LEAK_BATCH, 8 },
	{ "aging", CANARY_UNTOUCHED_KEY, 8 },     { "aging", CANARY_UNTOUCHED_VALUE, 3 },
	{ "aging", CANARY_UNTOUCHED_LINK, 3 },    { "aging", CANARY_LATE_LOG, 8 },
	{ "aging", CANARY_LATE_INSERT, 301 },     { "aging", CANARY_LOST_MAIL, 17 },
	{ "aging", CANARY_TWO_OWNERS, 1 },        { "aging", CANARY_LOST_CALL, 14 },
	{ "aging", CANARY_DEAF_SOURCE, 14 },      { "aging", CANARY_PAGE_LEFT, 41 },
	{ "versions", CANARY_LOSE_PARTIAL, 2 },   { "versions", CANARY_EARLY_MARKER, 1 },
	{ "versions", CANARY_WRONG_SLOT, 6 },     { "versions", CANARY_LEAK_BATCH, 1 },
	{ "versions", CANARY_UNTOUCHED_KEY, 2 },  { "versions", CANARY_UNTOUCHED_VALUE, 1 },
	{ "versions", CANARY_LATE_LOG, 2 },       { "versions", CANARY_LATE_INSERT, 197 },
	{ "versions", CANARY_LOST_MAIL, 1 },      { "versions", CANARY_TWO_OWNERS, 1 },
	{ "versions", CANARY_EARLY_SWITCH, 2 },   { "versions", CANARY_EARLY_TURN, 2 },
	{ "versions", CANARY_DEAF_SOURCE, 15 },   { "versions", CANARY_SLOT_TWICE, 2 },
	{ "versions", CANARY_SLOT_FORGOTTEN, 2 }, { "versions", CANARY_SLOT_OLD, 2 },
	{ "versions", CANARY_SLOT_SKIPPED, 2 },   { "versions", CANARY_TRIAL_LEFT, 2 },
	{ "versions", CANARY_TRIAL_FEW, 6 },      { "versions", CANARY_TRIAL_MIXED, 14 },
	{ "versions", CANARY_EARLY_CHECK, 1 },    { "versions", CANARY_PAGE_LEFT, 6 },
	{ "cycle", CANARY_LOSE_PARTIAL, 1 },      { "cycle", CANARY_EARLY_MARKER, 3 },
	{ "cycle", CANARY_LOST_MAIL, 48 },        { "cycle", CANARY_TWO_OWNERS, 3 },
	{ "cycle", CANARY_DEAF_SOURCE, 49 },      { "csv", CANARY_LOSE_PARTIAL, 4 },
	{ "csv", CANARY_EARLY_MARKER, 5 },        { "csv", CANARY_LEAK_BATCH, 2 },
	{ "csv", CANARY_LOST_MAIL, 8 },           { "csv", CANARY_TWO_OWNERS, 5 },
	{ "csv", CANARY_DEAF_SOURCE, 16 },        { "tcp", CANARY_LOSE_PARTIAL, 1 },
	{ "tcp", CANARY_LEAK_BATCH, 3 },          { "tcp", CANARY_LOST_MAIL, 6 },
	{ "tcp", CANARY_TWO_OWNERS, 1 },          { "tcp", CANARY_LOST_CALL, 20 },
	{ "tcp", CANARY_DEAF_SOURCE, 6 },         { "crash", CANARY_LOSE_PARTIAL, 1 },
	{ "crash", CANARY_EARLY_MARKER, 1 },      { "crash", CANARY_EARLY_WATERMARK, 2 },
	{ "crash", CANARY_WRONG_SLOT, 7 },        { "crash", CANARY_LEAK_BATCH, 2 },
	{ "crash", CANARY_UNTOUCHED_KEY, 2 },     { "crash", CANARY_UNTOUCHED_VALUE, 2 },
	{ "crash", CANARY_LATE_LOG, 2 },          { "crash", CANARY_LATE_INSERT, 176 },
	{ "crash", CANARY_COPY_PASSED, 42 },      { "crash", CANARY_IMAGE_WINS, 27 },
	{ "crash", CANARY_LOST_POSITION, 27 },    { "crash", CANARY_COUNT_LEFT, 5 },
	{ "crash", CANARY_EARLY_COMMIT, 32 },     { "crash", CANARY_EARLY_EPOCH, 13 },
	{ "crash", CANARY_LOST_MAIL, 2 },         { "crash", CANARY_TWO_OWNERS, 2 },
	{ "crash", CANARY_DEAF_SOURCE, 25 },      { "crash", CANARY_NOTE_STALE, 8 },
	{ "crash", CANARY_LATE_END, 97 },         { "crash", CANARY_PAGE_LEFT, 52 },
	{ "crash", CANARY_SKIP_SYNC, 8 },         { "crash", CANARY_SKIP_DIR_SYNC, 31 },
	{ "crash", CANARY_EARLY_RENAME, 2 },      { "crash", CANARY_PRUNE_REFERENCED, 42 },
	{ "elastic", CANARY_NO_HYSTERESIS, 1 },   { "elastic", CANARY_FEW_SLICES, 2 },
	{ "store", CANARY_SKIP_SYNC, 1 },         { "store", CANARY_SKIP_DIR_SYNC, 5 },
	{ "store", CANARY_EARLY_RENAME, 1 },      { "store", CANARY_BLIND_CRC, 4 },
	{ "store", CANARY_PRUNE_REFERENCED, 1 },  { "log", CANARY_SKIP_SYNC, 1 },
	{ "log", CANARY_SKIP_DIR_SYNC, 2 },       { "log", CANARY_BLIND_CRC, 8 },
};

uint64_t
caught_before(const char *scenario, enum canary canary)
{
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		if (caught[i].canary == canary && strcmp(caught[i].scenario, scenario) == 0) {
			return caught[i].seed;
		}
	}
	return 0;
}

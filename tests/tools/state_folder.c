/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state_folder: writes a folder of epochs as a job would, for the tests of `lodemill state`.
 *
 *     state_folder FOLDER EPOCHS KEEP [end] [hold]
 *
 * end: the last epoch says that all has ended. hold: says "held" and keeps the folder taken until
 * standard input ends.
 */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "tests/tools/state_writer.h"

int
main(int argc, char **argv)
{
	struct state_writer writer = { .codec = BLOCK_LZ4 };
	char why[MANIFEST_WHY];
	uint64_t epochs, keep;
	struct store *store;
	bool hold = false;

	if (argc < 4 || text_u64(argv[2], &epochs) != 0 || text_u64(argv[3], &keep) != 0) {
		fprintf(stderr, "usage: state_folder FOLDER EPOCHS KEEP [end] [hold]\n");
		return 2;
	}
	for (int i = 4; i < argc; i++) {
		writer.is_last |= strcmp(argv[i], "end") == 0;
		hold |= strcmp(argv[i], "hold") == 0;
	}
	writer.folder = argv[1];
	writer.keep = (uint32_t)keep;
	store = state_writer_add(&writer, (uint32_t)epochs, why);
	if (store == NULL) {
		fprintf(stderr, "state_folder: %s\n", why);
		return 1;
	}
	if (hold) {
		printf("held\n");
		fflush(stdout);
		while (getchar() != EOF) {
			continue;
		}
	}
	store_close(store);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef INDEX_H
#define INDEX_H

/*
 * The catalogue of a folder, an SQLite database that people may query while the job runs:
 *
 *     sqlite3 -readonly STATE/index.sqlite 'SELECT epoch, state, bytes, why FROM epochs'
 *
 * It is made from the manifests and never the truth: nothing in the engine reads it, and one that
 * is missing or damaged is made anew. Control thread only; SQLite does its own input and output,
 * past the seam.
 */

#include "state/store.h"

struct index;

/* `why` takes a sentence. A database that is not ours or not whole is replaced. */
int index_open(const char *folder, struct index **index, char why[MANIFEST_WHY]);
void index_close(struct index *index);
/* What the folder holds now: epochs that are complete or damaged; others that were are "removed".
 */
int index_refresh(struct index *index, const struct store_list *list);
/* What no manifest says. */
enum index_state { INDEX_OPEN, INDEX_ABANDONED };
int index_note(struct index *index, uint64_t epoch, enum index_state state, const char *why);
const char *index_why(const struct index *index);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FILE_TXN_H
#define FILE_TXN_H

/*
 * Transactions of files: a file for each, written under a name that says it is pending, and renamed
 * once its snapshot is durable.
 *
 *     out/flows.csv.3.17.pending      incarnation 3, the 17th file it made: nobody should read it
 *     out/flows-000000000042.csv      committed with snapshot 42: whole, and it never changes
 *
 * A transaction's bytes are text: length, XXH3 of the content, the pending and the final name, each
 * on a line of its own. Names are without the folder, which is that of the sink's path.
 *
 * Threads: functions that take a transaction run on a control thread; see core/lm_op.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lm_op.h"
#include "core/lm_serial.h"

#define FILE_TXN_PATH 1024u

struct file_txn {
	uint64_t length;
	uint64_t digest;
	const char *pending, *final; /* names */
};

/* The path of a slice: its number in place of "%s". False: it is too long. */
bool file_txn_path(const char *path, uint32_t slice, char out[FILE_TXN_PATH]);
/* Names for a slice's path. False: too long. */
bool file_txn_pending(const char *path, uint64_t incarnation, uint64_t count,
                      char out[FILE_TXN_PATH]);
bool file_txn_final(const char *path, uint64_t number, char out[FILE_TXN_PATH]);
/* A path without its folder. */
const char *file_txn_name(const char *path);

void file_txn_write(struct lm_writer *writer, const struct file_txn *txn);

/* As in struct lm_op_class; `path` is the sink's, with "%s" where slices are told apart. */
int file_txn_secure(const char *path, struct lm_transaction *txn);
int file_txn_commit(const char *path, struct lm_transaction *txn);
int file_txn_fence(const char *path, struct lm_transaction *txn);
/* How many committed files of the slice's path are there; -errno: its folder cannot be read. */
int64_t file_txn_count(const char *path);

#endif

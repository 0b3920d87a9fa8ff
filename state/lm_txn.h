/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_TXN_H
#define LM_TXN_H

/*
 * Values that know which transaction changed them last, so that one that comes a second time
 * changes them once. For sources that replay and sinks that keep their own state, after Storm's
 * Trident. Transactions have ids, 1 and up, and change a value in the order of their ids; only the
 * latest may come again.
 *
 * Transactional: the same id brings the same rows again. The second time is passed over.
 *
 *     struct count { struct lm_txn txn; uint64_t count; };
 *     if (lm_txn_begin(&value->txn, id))
 *             value->count += rows;
 *
 * Opaque: the same id may bring other rows. The value before it is kept as well: the second time
 * starts from that.
 *
 *     struct counts { struct lm_txn txn; uint64_t count, before; };
 *     if (lm_opaque_begin(&value->txn, &value->count, &value->before, sizeof(value->count), id))
 *             value->count += rows;
 *
 * The structs are values of a map or parts of a value, all zeroes at first, and touched before like
 * all that is written. A transaction that changes a value several times asks once: in a batch that
 * adds up what belongs to a key, and then begins.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lm_txn {
	uint64_t id; /* that changed the value last; 0: none */
};

/* Whether transaction `id` is to change the value, which then counts as changed by it. */
static inline bool
lm_txn_begin(struct lm_txn *txn, uint64_t id)
{
	bool is_new = id > txn->id;

	txn->id = is_new ? id : txn->id;
	return is_new;
}

/*
 * The same where a transaction may come again with other rows: `value` is then what it was before
 * `id`. False: a later one has changed it, and `id` cannot be taken back.
 */
static inline bool
lm_opaque_begin(struct lm_txn *txn, void *value, void *before, size_t size, uint64_t id)
{
	if (id < txn->id) {
		return false;
	}
	if (id == txn->id) {
		memcpy(value, before, size);
	} else {
		memcpy(before, value, size);
		txn->id = id;
	}
	return true;
}

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAKE_RESTART_H
#define FAKE_RESTART_H

/*
 * A test once more, in which the slice is now and then taken into a snapshot, thrown away, and made
 * anew from it: nothing must come out differently. A test without a restart fails.
 *
 *     cmocka_unit_test(test_by_hand),
 *     FAKE_RESTARTED(test_by_hand),
 */

#include "tests/unit/operators/fake_op.h"

#define FAKE_RESTARTED(test)                                                                       \
	{                                                                                          \
#test ", restarted", test, fake_restart_on, fake_restart_off, NULL                 \
	}

int fake_restart_on(void **state);
int fake_restart_off(void **state);

#endif

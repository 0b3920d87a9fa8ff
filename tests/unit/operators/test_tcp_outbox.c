/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_outbox: random lines, sent in pieces, forgotten, sent again, against a plain model. */
#include "operators/tcp_outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINES 4000u
#define SIZE 700u

static uint64_t seed;

static uint32_t
below(uint32_t bound)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % bound;
}

/* The lines by number, and where each begins in the stream. */
static struct {
	char text[64];
	uint32_t length;
	bool is_row;
} line[LINES + 1];

struct model {
	struct tcp_outbox box;
	uint64_t kept;      /* the first that is */
	uint64_t sent_line; /* what is to be sent next stands in this one … */
	uint32_t sent_at;   /* … behind so many bytes */
	uint64_t next;
	uint32_t bytes;
};

static void
model_put(struct model *m)
{
	bool fits = m->bytes + line[m->next].length <= SIZE;

	assert_int_equal(fits, outbox_put(&m->box, line[m->next].text, line[m->next].length,
	                                  line[m->next].is_row));
	if (fits) {
		m->bytes += line[m->next].length;
		m->next++;
	}
	assert_int_equal(m->box.next, m->next);
}

static void
model_send(struct model *m)
{
	size_t size, take;
	const char *bytes = outbox_unsent(&m->box, &size);

	assert_int_equal(bytes == NULL, m->sent_line == m->next);
	if (bytes == NULL) {
		return;
	}
	take = 1 + below((uint32_t)size);
	for (size_t i = 0; i < take; i++) {
		assert_int_equal(bytes[i], line[m->sent_line].text[m->sent_at++]);
		if (m->sent_at == line[m->sent_line].length) {
			m->sent_line++;
			m->sent_at = 0;
		}
	}
	outbox_sent(&m->box, take);
	assert_int_equal(m->box.unsent, m->sent_line);
}

static void
model_forget(struct model *m)
{
	uint64_t last = m->kept - 1 + below((uint32_t)(m->sent_line - m->kept + 1));
	uint32_t rows = 0;

	for (; m->kept <= last; m->kept++) {
		rows += line[m->kept].is_row;
		m->bytes -= line[m->kept].length;
	}
	assert_int_equal(rows, outbox_forget(&m->box, last));
	assert_int_equal(m->box.first, m->kept);
	assert_int_equal(outbox_is_empty(&m->box), m->kept == m->next);
}

static void
test_model(void **state)
{
	static char bytes[SIZE];
	uint64_t *ends = calloc(OUTBOX_LINES, sizeof(*ends));
	struct model m = { .kept = 1, .sent_line = 1, .next = 1 };

	(void)state;
	assert_non_null(ends);
	for (uint32_t i = 1; i <= LINES; i++) {
		line[i].length =
		    (uint32_t)snprintf(line[i].text, sizeof(line[i].text), "%u%.*s\n", i,
		                       (int)below(40), "........................................");
		line[i].is_row = below(3) != 0;
	}
	outbox_open(&m.box, bytes, SIZE, ends);
	while (m.next <= LINES) {
		switch (below(10)) {
		case 0:
			model_forget(&m);
			break;
		case 1:
			if (below(10) == 0) {
				outbox_rewind(&m.box);
				m.sent_line = m.kept;
				m.sent_at = 0;
			}
			break;
		case 2:
		case 3:
		case 4:
			model_send(&m);
			break;
		default:
			model_put(&m);
			break;
		}
	}
	assert_true(outbox_forget(&m.box, UINT64_MAX) <= m.next - m.kept);
	assert_true(outbox_is_empty(&m.box));
	free(ends);
}

/* Short lines: their number has a bound, too. */
static void
test_lines_max(void **state)
{
	uint64_t *ends = calloc(OUTBOX_LINES, sizeof(*ends));
	char *bytes = malloc(OUTBOX_LINES * 4);
	struct tcp_outbox box;

	(void)state;
	assert_non_null(ends);
	assert_non_null(bytes);
	outbox_open(&box, bytes, OUTBOX_LINES * 4, ends);
	for (uint32_t i = 0; i < OUTBOX_LINES; i++) {
		assert_true(outbox_put(&box, "x\n", 2, true));
	}
	assert_false(outbox_put(&box, "x\n", 2, true));
	outbox_sent(&box, 2);
	assert_int_equal(outbox_forget(&box, 1), 1);
	assert_true(outbox_put(&box, "x\n", 2, true));
	assert_int_equal(outbox_forget(&box, UINT64_MAX), OUTBOX_LINES);
	free(bytes);
	free(ends);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_lines_max),
	};

	seed = 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

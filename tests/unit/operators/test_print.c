/* SPDX-License-Identifier: BSD-3-Clause */
/* print: tables by window, redrawing, slow and gone terminals, two operators on one terminal. */
#include "tests/unit/operators/fake_env.h"
#include "tests/unit/operators/fake_op.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stdout, reader;
static char seen[1 << 20];
static struct lm_schema schema;

/* stdout becomes the writing end of a pipe (or what the test gives it), until the test is over. */
static void
redirect(int file)
{
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	close(file);
}

static int
setup(void **state)
{
	int end[2];

	(void)state;
	fake_env_reset();
	signal(SIGPIPE, SIG_IGN);
	schema = fake_schema("t:time word:string count:u64");
	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	if (saved_stdout < 0 || pipe2(end, O_CLOEXEC) != 0) {
		return -1;
	}
	reader = end[0];
	fcntl(reader, F_SETFL, O_NONBLOCK);
	redirect(end[1]);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dup2(saved_stdout, STDOUT_FILENO);
	close(saved_stdout);
	close(reader);
	return 0;
}

/* Everything that was written since the last time. */
static const char *
output(void)
{
	ssize_t size = 0, more;

	while ((more = read(reader, seen + size, sizeof(seen) - 1 - (size_t)size)) > 0) {
		size += more;
	}
	seen[size] = '\0';
	return seen;
}

struct print {
	struct fake_operator *subject;
	struct lm_op *op;
};

static struct print
print_open(const struct fake_param *params)
{
	struct print p;

	p.subject =
	    fake_configure(fake_class("print"), params, &(const struct lm_schema *){ &schema }, 1);
	if (p.subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
	p.op = fake_open(p.subject, 0);
	assert_non_null(p.op);
	return p;
}

static void
print_close(struct print *p)
{
	fake_close(p->op);
	fake_unconfigure(p->subject);
	assert_int_equal(fake_env.opened, fake_env.closed);
}

static void
feed(struct print *p, const char *const *rows)
{
	struct lm_batch *in = fake_rows(&schema, rows);

	fake_process(p->op, in);
	free(in);
}

#define FEED(p, ...) feed(p, (const char *[]){ __VA_ARGS__, NULL })

static void
test_tables(void **state)
{
	static const struct fake_param params[] = { { "title", NULL, "Words" },
		                                    { "rows", NULL, "2" },
		                                    { 0 } };
	struct print p = print_open(params);

	(void)state;
	FEED(&p, "0|one|1", "0|three|333");
	assert_string_equal(output(), "");
	FEED(&p, "0|four|4", "1000000000|a|5");
	assert_string_equal(output(), "Words  1970-01-01T00:00:00Z\n"
	                              "word   count\n"
	                              "one        1\n"
	                              "three    333\n"
	                              "\xe2\x80\xa6 1 more\n\n");
	assert_int_equal(p.op->absorbed, 3);
	fake_watermark(p.op, 999999999);
	assert_string_equal(output(), "");
	fake_watermark(p.op, 1000000000);
	assert_string_equal(output(), "Words  1970-01-01T00:00:01Z\n"
	                              "word  count\n"
	                              "a         5\n\n");
	FEED(&p, "2000000000|b|6");
	fake_end(p.op);
	assert_string_equal(output(), "Words  1970-01-01T00:00:02Z\nword  count\nb         6\n\n");
	print_close(&p);
}

static void
test_columns_units_and_control(void **state)
{
	static const struct fake_param params[] = { { "columns", NULL, "count bytes" },
		                                    { "columns", NULL, "word" },
		                                    { "columns", NULL, "count rate" },
		                                    { "every", NULL, "second" },
		                                    { 0 } };
	struct print p = print_open(params);

	(void)state;
	FEED(&p, "0|caf\xc3\xa9|0", "1|\x1b[31m\xc2\x9b\x80|1023", "2|x|1048576",
	     "3|y|18446744073709551615", "4||999", "5||999950", "6||12345");
	assert_string_equal(output(), "");
	fake_advance(p.op, 1000000000);
	assert_string_equal(output(), "under_test\n"
	                              "   count  word       count\n"
	                              "     0 B  caf\xc3\xa9         0/s\n"
	                              "  1023 B  .[31m..  1.02k/s\n"
	                              "1.00 MiB  x        1.05M/s\n"
	                              "16.0 EiB  y        18.4E/s\n"
	                              "   999 B             999/s\n"
	                              " 977 KiB           1.00M/s\n"
	                              "12.1 KiB           12.3k/s\n\n");
	FEED(&p, "0|long, longer, and much longer than any cell of a table can ever be|7");
	fake_advance(p.op, 1000000000);
	assert_non_null(strstr(output(),
	                       "\n  7 B  long, longer, and much longer than any cell of a table ca"
	                       "\xe2\x80\xa6    7/s\n"));
	fake_end(p.op);
	print_close(&p);
}

static void
test_csv_and_jsonl(void **state)
{
	static const struct fake_param csv[] = { { "format", NULL, "csv" }, { 0 } };
	static const struct fake_param jsonl[] = { { "format", NULL, "jsonl" },
		                                   { "columns", NULL, "word" },
		                                   { 0 } };
	struct print p = print_open(csv);

	(void)state;
	FEED(&p, "0|a,b|1", "0|c|2");
	assert_string_equal(output(), "t,word,count\n1970-01-01T00:00:00Z,\"a,b\",1\n"
	                              "1970-01-01T00:00:00Z,c,2\n");
	assert_int_equal(p.op->absorbed, 2);
	fake_end(p.op);
	print_close(&p);
	p = print_open(jsonl);
	FEED(&p, "0|a\"b|1");
	assert_string_equal(output(), "{\"word\":\"a\\\"b\"}\n");
	fake_end(p.op);
	print_close(&p);
}

/* Nobody reads: the pipe fills, then the buffer, then rows are dropped; nothing waits. */
static void
test_slow(void **state)
{
	static const struct fake_param params[] = { { "format", NULL, "jsonl" }, { 0 } };
	struct print p = print_open(params);
	uint64_t lines = 0;

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		FEED(&p, "0|some text|1", "0|some text|2", "0|some text|3", "0|some text|4");
	}
	assert_true(p.op->drops[0] > 0);
	assert_true(p.op->timer_on[0]);
	/* Somebody reads again: the timer goes on where it stopped. */
	while (p.op->timer_on[0]) {
		const char *text = output();

		for (; *text != '\0'; text++) {
			lines += *text == '\n';
		}
		fake_advance(p.op, 20000000);
	}
	fake_end(p.op);
	for (const char *text = output(); *text != '\0'; text++) {
		lines += *text == '\n';
	}
	assert_int_equal(lines, p.op->absorbed);
	assert_int_equal(lines + p.op->drops[0], 8000);
	print_close(&p);
}

/* To the end nobody reads: after a second the rest is dropped, exactly. */
static void
test_slow_end(void **state)
{
	static const struct fake_param params[] = { { 0 } };
	struct print p = print_open(params);
	int64_t start;
	char row[64];

	(void)state;
	p.op->turn_ns = 1000000;
	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(row, sizeof(row), "%u|some text|1", i);
		FEED(&p, row);
	}
	start = p.op->now_ns;
	fake_end(p.op);
	assert_in_range(p.op->now_ns - start, 1000000000, 1010000000);
	assert_true(p.op->drops[0] > 0);
	assert_int_equal(p.op->absorbed + p.op->drops[0], 3000);
	print_close(&p);
}

static void
test_gone(void **state)
{
	static const struct fake_param params[] = { { 0 } };
	struct print p = print_open(params);

	(void)state;
	close(reader);
	FEED(&p, "0|a|1", "1|b|2", "2|c|3");
	fake_end(p.op);
	assert_int_equal(p.op->drops[0], 3);
	print_close(&p);
}

/* Two operators: while one is within a table, the other keeps its own back. */
static void
test_two(void **state)
{
	static const struct fake_param one[] = { { "title", NULL, "one" }, { 0 } };
	static const struct fake_param two[] = { { "title", NULL, "two" }, { 0 } };
	struct print a = print_open(one), b = print_open(two);

	(void)state;
	fake_env.write_budget = 10;
	fake_env.write_error = EAGAIN;
	FEED(&a, "0|x|1", "1|x|1");
	fake_env.write_budget = -1;
	FEED(&b, "0|y|2", "1|y|2");
	assert_string_equal(output(), "one  1970-");
	fake_advance(a.op, 20000000);
	fake_advance(b.op, 20000000);
	assert_string_equal(output(), "01-01T00:00:00Z\nword  count\nx         1\n\n"
	                              "two  1970-01-01T00:00:00Z\nword  count\ny         2\n\n");
	fake_end(a.op);
	fake_end(b.op);
	fake_close(a.op);
	fake_close(b.op);
	fake_unconfigure(a.subject);
	fake_unconfigure(b.subject);
}

static void
test_terminal(void **state)
{
	static const struct fake_param params[] = { { "title", NULL, "T" }, { 0 } };
	struct winsize size = { .ws_col = 12, .ws_row = 7 };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct termios mode;
	struct print p, other;

	(void)state;
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
		skip();
	}
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0) {
		skip();
	}
	assert_int_equal(tcgetattr(slave, &mode), 0);
	cfmakeraw(&mode);
	assert_int_equal(tcsetattr(slave, TCSANOW, &mode), 0);
	assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
	close(reader);
	reader = master;
	fcntl(reader, F_SETFL, O_NONBLOCK);
	redirect(slave);

	p = print_open(params);
	FEED(&p, "0|a|1", "0|b|2", "1|c|3");
	assert_string_equal(output(), "T  1970-01-0\nword  count\na         1\nb         2\n");
	/* Over the four lines of the last one; three rows fit on the screen. */
	FEED(&p, "1|d|4", "1|e|5", "1|f|6", "1|gggggggggg|7", "2|h|8");
	assert_string_equal(output(), "\x1b[4A\x1b[JT  1970-01-0\n"
	                              "word  count\n"
	                              "c         3\n"
	                              "d         4\n"
	                              "e         5\n"
	                              "\xe2\x80\xa6 2 more\n");
	/* Lines end at the right edge. */
	FEED(&p, "3|i i i i i i|9");
	assert_string_equal(output(), "\x1b[6A\x1b[JT  1970-01-0\nword  count\nh         8\n");
	FEED(&p, "4|j|10");
	assert_string_equal(output(), "\x1b[3A\x1b[JT  1970-01-0\nword        \ni i i i i i \n");
	/* Two of them do not draw over each other. */
	other = print_open(params);
	FEED(&p, "5|k|9");
	assert_string_equal(output(), "T  1970-01-0\nword  count\nj        10\n\n");
	fake_end(p.op);
	fake_end(other.op);
	fake_close(p.op);
	fake_close(other.op);
	fake_unconfigure(p.subject);
	fake_unconfigure(other.subject);
}

static void
test_mistakes(void **state)
{
	struct fake_param params[] = { { "columns", NULL, "worm" }, { 0 }, { 0 } };
	const struct lm_schema *input = &schema;

	(void)state;
	assert_null(fake_configure(fake_class("print"), params, &input, 1));
	assert_string_equal(fake_failure.message, "no column \"worm\"");
	params[0].text = "count furlongs";
	assert_null(fake_configure(fake_class("print"), params, &input, 1));
	assert_int_equal(fake_failure.column, 6);
	params[0].text = "word bytes";
	assert_null(fake_configure(fake_class("print"), params, &input, 1));
	assert_string_equal(fake_failure.message, "\"word\" is not a number");
	params[0] = (struct fake_param){ "every", NULL, "window" };
	schema = fake_schema("k:u64");
	assert_null(fake_configure(fake_class("print"), params, &input, 1));
	assert_string_equal(fake_failure.param, "every");
}

int
main(void)
{
#define PRINT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		PRINT_TEST(test_tables),        PRINT_TEST(test_columns_units_and_control),
		PRINT_TEST(test_csv_and_jsonl), PRINT_TEST(test_slow),
		PRINT_TEST(test_slow_end),      PRINT_TEST(test_gone),
		PRINT_TEST(test_two),           PRINT_TEST(test_terminal),
		PRINT_TEST(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

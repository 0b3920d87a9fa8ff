/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/hgrm.c: the text as HdrHistogram writes it, and that every line is true. */
#include "mgmt/hgrm.h"
#include "tests/unit/mgmt/print_to_text.h"

#include <string.h>
#include <unistd.h>

static struct lm_hist *
hist_new(void)
{
	struct lm_hist *hist = calloc(1, sizeof(*hist));

	assert_non_null(hist);
	return hist;
}

static void
test_golden(void **state)
{
	struct lm_hist *hist = hist_new();
	struct print_to_text print;

	(void)state;
	lm_hist_record(hist, 10, 5);
	lm_hist_record(hist, 20, 4);
	lm_hist_record(hist, 60, 1);
	assert_int_equal(hgrm_write(print_to_text_begin(&print), hist, "a\nb", "ns", 1), 0);
	print_to_text_expect(&print, "# title: a b\n"
	                             "# unit: ns\n"
	                             "       Value     Percentile TotalCount 1/(1-Percentile)\n"
	                             "\n"
	                             "      10.000 0.000000000000          5           1.00\n"
	                             "      10.000 0.100000000000          5           1.11\n"
	                             "      10.000 0.200000000000          5           1.25\n"
	                             "      10.000 0.300000000000          5           1.43\n"
	                             "      10.000 0.400000000000          5           1.67\n"
	                             "      10.000 0.500000000000          5           2.00\n"
	                             "      20.000 0.550000000000          9           2.22\n"
	                             "      20.000 0.600000000000          9           2.50\n"
	                             "      20.000 0.650000000000          9           2.86\n"
	                             "      20.000 0.700000000000          9           3.33\n"
	                             "      20.000 0.750000000000          9           4.00\n"
	                             "      20.000 0.775000000000          9           4.44\n"
	                             "      20.000 0.800000000000          9           5.00\n"
	                             "      20.000 0.825000000000          9           5.71\n"
	                             "      20.000 0.850000000000          9           6.67\n"
	                             "      20.000 0.875000000000          9           8.00\n"
	                             "      20.000 0.887500000000          9           8.89\n"
	                             "      20.000 0.900000000000          9          10.00\n"
	                             "      60.000 1.000000000000         10\n"
	                             "#[Mean    =       19.000, StdDeviation   =       14.457]\n"
	                             "#[Max     =       60.000, Total count    =           10]\n"
	                             "#[Buckets =           37, SubBuckets     =           64]\n");
	free(hist);
}

static void
test_empty(void **state)
{
	struct lm_hist *hist = hist_new();
	struct print_to_text print;

	(void)state;
	assert_int_equal(hgrm_write(print_to_text_begin(&print), hist, NULL, "µs", 1000), 0);
	print_to_text_expect(&print, "# unit: µs\n"
	                             "       Value     Percentile TotalCount 1/(1-Percentile)\n"
	                             "\n"
	                             "#[Mean    =        0.000, StdDeviation   =        0.000]\n"
	                             "#[Max     =        0.000, Total count    =            0]\n"
	                             "#[Buckets =           37, SubBuckets     =           64]\n");
	free(hist);
}

/* Reads the lines back: each tells how many values are at or below, and shares rise to 1. */
static uint32_t
check_lines(const struct lm_hist *hist, const char *text)
{
	double last_share = -1;
	uint32_t lines = 0;

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		double value, share;
		unsigned long long seen;

		line += *line == '\n';
		if (*line == '\n' || sscanf(line, "%lf %lf %llu", &value, &share, &seen) != 3) {
			continue;
		}
		lines++;
		assert_true(share > last_share);
		assert_true((double)seen >= share * (double)hist->count * (1 - 1e-9));
		assert_true((uint64_t)value >= lm_hist_quantile(hist, share));
		last_share = share;
	}
	assert_true(last_share == 1);
	return lines;
}

static void
test_every_line_is_true(void **state)
{
	/* The last but one: so many that a share of them next to 1 cannot be told from 1. */
	static const uint64_t times[] = { 1, 1000, 1000000007, UINT64_C(1) << 62 };

	(void)state;
	for (uint32_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct lm_hist *hist = hist_new();
		struct print_to_text print;
		char *text;

		for (uint64_t value = 1; value < 3000; value += 7) {
			lm_hist_record(hist, value, 1 + i);
		}
		lm_hist_record(hist, 5000, times[i]);
		lm_hist_record(hist, 1000000, 1);
		assert_int_equal(hgrm_write(print_to_text_begin(&print), hist, NULL, "ns", 1), 0);
		text = print_to_text_end(&print);
		assert_in_range(check_lines(hist, text), 20, 400);
		free(text);
		free(hist);
	}
}

static void
test_file_is_replaced(void **state)
{
	struct lm_hist *hist = hist_new();
	char path[] = "/tmp/hgrm_test_XXXXXX";
	char text[4096] = "";
	FILE *in;

	(void)state;
	close(mkstemp(path));
	lm_hist_record(hist, 10, 5);
	assert_int_equal(hgrm_write_file(path, hist, "t", "ns", 1), 0);
	assert_int_equal(hgrm_write_file(path, hist, "t", "ns", 1), 0);
	in = fopen(path, "re");
	assert_non_null(in);
	assert_true(fread(text, 1, sizeof(text) - 1, in) > 0);
	assert_non_null(strstr(text, "10.000 1.000000000000          5\n"));
	fclose(in);
	unlink(path);
	assert_true(hgrm_write_file("/nonexistent/x.hgrm", hist, NULL, "ns", 1) < 0);
	free(hist);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_every_line_is_true),
		cmocka_unit_test(test_file_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

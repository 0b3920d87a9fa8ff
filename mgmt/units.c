/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers as people read them: three digits and a unit. */
#include "mgmt/units.h"

#include <math.h>
#include <stdio.h>

static struct units_text
units_none(void)
{
	return (struct units_text){ .text = "-" };
}

/*
 * Divides by `step` until less than that is left, and prints one decimal below 100, none from
 * there. Rounding may carry into the next unit: 999.96k is 1.0M.
 */
static struct units_text
units_scale(double value, double step, const char *const *units, uint32_t unit_count)
{
	struct units_text result;
	uint32_t unit = 0;
	int decimals;

	if (!isfinite(value) || value < 0) {
		return units_none();
	}
	while (unit + 1 < unit_count && value >= step - 0.5) {
		value /= step;
		unit++;
	}
	decimals = value < 99.95 && (unit > 0 || value != floor(value));
	snprintf(result.text, sizeof(result.text), "%.*f%s", decimals, value, units[unit]);
	return result;
}

struct units_text
units_count(double value)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };

	return units_scale(value, 1000, units, sizeof(units) / sizeof(units[0]));
}

struct units_text
units_exact(uint64_t value)
{
	struct units_text result;
	char digits[24];
	size_t length = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	size_t at = 0;

	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0) {
			result.text[at++] = ',';
		}
		result.text[at++] = digits[i];
	}
	result.text[at] = '\0';
	return result;
}

struct units_text
units_bytes(double bytes)
{
	static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };

	return units_scale(bytes, 1024, units, sizeof(units) / sizeof(units[0]));
}

struct units_text
units_ns(uint64_t ns)
{
	static const char *const units[] = { " ns", " µs", " ms", " s" };

	return units_scale((double)ns, 1000, units, sizeof(units) / sizeof(units[0]));
}

struct units_text
units_duration(double seconds)
{
	struct units_text result;
	unsigned long long whole;

	if (!isfinite(seconds) || seconds < 0 || seconds > 1e15) {
		return units_none();
	}
	if (seconds < 60) {
		return units_ns((uint64_t)(seconds * 1e9));
	}
	whole = (unsigned long long)seconds;
	if (whole < 3600) {
		snprintf(result.text, sizeof(result.text), "%llum %02llus", whole / 60, whole % 60);
	} else if (whole < 86400) {
		snprintf(result.text, sizeof(result.text), "%lluh %02llum %02llus", whole / 3600,
		         whole / 60 % 60, whole % 60);
	} else {
		snprintf(result.text, sizeof(result.text), "%llud %02lluh %02llum", whole / 86400,
		         whole / 3600 % 24, whole / 60 % 60);
	}
	return result;
}

struct units_text
units_percent(double share)
{
	struct units_text result;
	double percent = share * 100;

	if (!isfinite(percent) || percent < 0 || percent > 1e9) {
		return units_none();
	}
	snprintf(result.text, sizeof(result.text), "%.*f %%", percent < 99.95 ? 1 : 0, percent);
	return result;
}

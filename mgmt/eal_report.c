/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be said about EAL's arguments before EAL starts. */
#include "mgmt/eal_report.h"

#include <stdarg.h>
#include <string.h>

#include "mgmt/text_table.h"

struct eal_finding *
eal_report_add(struct eal_report *report, enum eal_level level, const char *where,
               const char *format, ...)
{
	/* Findings past the bound are written over each other in the last place. */
	uint32_t index = report->count < EAL_FINDINGS_MAX ? report->count : EAL_FINDINGS_MAX - 1;
	struct eal_finding *finding = &report->finding[index];
	va_list args;

	report->lost += report->count == EAL_FINDINGS_MAX;
	report->count = index + 1;
	report->errors += level == EAL_ERROR;
	memset(finding, 0, sizeof(*finding));
	finding->level = level;
	snprintf(finding->where, sizeof(finding->where), "%s", where != NULL ? where : "");
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	return finding;
}

void
eal_report_detail(struct eal_finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->detail, sizeof(finding->detail), format, args);
	va_end(args);
}

void
eal_report_help(struct eal_finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->help, sizeof(finding->help), format, args);
	va_end(args);
}

void
eal_report_print(const struct eal_report *report, bool notes, bool colour, FILE *out)
{
	for (uint32_t i = 0; i < report->count; i++) {
		const struct eal_finding *finding = &report->finding[i];
		bool error = finding->level == EAL_ERROR;
		enum text_style style = error ? TEXT_RED : TEXT_CYAN;

		if (!error && !notes) {
			continue;
		}
		fprintf(out, "%s%s:%s %s\n", text_style_on(colour, style), error ? "error" : "note",
		        text_style_off(colour, style), finding->text);
		if (finding->where[0] != '\0') {
			fprintf(out, "  --> EAL option %s\n", finding->where);
		}
		if (finding->detail[0] != '\0') {
			fprintf(out, "   |  %s\n", finding->detail);
		}
		if (finding->help[0] != '\0') {
			fprintf(out, "   = help: %s\n", finding->help);
		}
	}
	if (report->lost > 0) {
		fprintf(out, "and %u more\n", report->lost);
	}
}

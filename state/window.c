/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows of event time as a person writes them. */

#include "state/lm_window.h"

#include <string.h>

#include "core/text.h"

static const char window_kind[] = "tumbling";

int
lm_window_configure(struct lm_window *window, struct lm_setup *setup, const char *param)
{
	const char *text = lm_setup_text(setup, param);
	const char *blank = strchr(text, ' ');
	const char *hint = "write it as `tumbling 1s`";
	size_t length = blank == NULL ? strlen(text) : (size_t)(blank - text);
	const char *size = text + length;
	uint64_t size_ns;

	if (length != sizeof(window_kind) - 1 || strncmp(text, window_kind, length) != 0) {
		return lm_setup_error(setup, param, LM_NONE, 0, hint,
		                      "there are no \"%.*s\" windows, only tumbling ones",
		                      (int)length, text);
	}
	size += strspn(size, " ");
	if (text_duration(size, &size_ns) != 0) {
		return lm_setup_error(setup, param, LM_NONE, (uint32_t)(size - text), hint,
		                      "\"%s\" is not a duration", size);
	}
	if (size_ns == 0 || size_ns > INT64_MAX / 4) {
		return lm_setup_error(setup, param, LM_NONE, (uint32_t)(size - text), hint,
		                      "a window cannot be \"%s\" long", size);
	}
	window->size_ns = (int64_t)size_ns;
	return 0;
}

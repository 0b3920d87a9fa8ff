/* SPDX-License-Identifier: BSD-3-Clause */
/* What people have set of a job, as one object of JSON beside its journal. */
#include "mgmt/kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/log_level.h"
#include "core/lm_topology.h"
#include "mgmt/json_put.h"

#define NAME "settings"

/* ---- places ---- */

int
kept_place(struct kept *kept, const char *op, uint32_t slice, uint32_t lcore)
{
	struct kept_place *place = kept->place;

	for (uint32_t i = 0; i < kept->place_count; i++) {
		if (place[i].slice == slice && strcmp(place[i].op, op) == 0) {
			place[i].lcore = lcore;
			return 0;
		}
	}
	if (kept->place_count == kept->place_room) {
		uint32_t room = kept->place_room * 2 + 8;

		place = realloc(place, room * sizeof(*place));
		if (place == NULL) {
			return -ENOMEM;
		}
		kept->place = place;
		kept->place_room = room;
	}
	place += kept->place_count++;
	snprintf(place->op, sizeof(place->op), "%s", op);
	place->slice = slice;
	place->lcore = lcore;
	return 0;
}

void
kept_prune(struct kept *kept, bool (*stays)(const struct kept_place *place, const void *arg),
           const void *arg)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < kept->place_count; i++) {
		if (stays(&kept->place[i], arg)) {
			kept->place[left++] = kept->place[i];
		}
	}
	kept->place_count = left;
}

void
kept_forget_places(struct kept *kept)
{
	kept->place_count = 0;
}

/* ---- writing ---- */

static json_t *
put_levels(void)
{
	struct log_level level[LOG_LEVELS_MAX];
	int64_t now_ns = env_now_ns(), wall_ns = env_wall_ns();
	uint32_t count = log_level_list(level, now_ns);
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++) {
		json_array_append_new(
		    list,
		    json_pack("{s:s, s:i, s:I}", "module", level[i].module, "level", level[i].level,
		              "until", (json_int_t)(wall_ns + (level[i].until_ns - now_ns))));
	}
	return list;
}

static json_t *
put_places(const struct kept *kept)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < kept->place_count; i++) {
		json_array_append_new(list, json_pack("[s, i, i]", kept->place[i].op,
		                                      (int)kept->place[i].slice,
		                                      (int)kept->place[i].lcore));
	}
	return list;
}

int
kept_write(const struct kept *kept)
{
	json_t *all;
	char *text = NULL;
	int result = -ENOMEM, failed = 0;

	if (kept->folder == NULL) {
		return 0;
	}
	all = json_object();
	failed += json_object_set_new(all, "frozen", json_boolean(kept->is_frozen));
	failed += json_object_set_new(all, "levels", put_levels());
	failed += json_object_set_new(all, "places", put_places(kept));
	failed += json_put_u64(all, "moved_by", kept->moved_by);
	if (failed == 0) {
		text = json_dumps(all, JSON_COMPACT);
	}
	if (text != NULL) {
		result = journal_keep(kept->folder, NAME, kept->job, text, (uint32_t)strlen(text));
	}
	free(text);
	json_decref(all);
	return result;
}

/* ---- reading ---- */

static bool
take_level(struct kept *kept, json_t *value)
{
	int64_t now_ns = env_now_ns();
	const char *module;
	json_int_t until;
	int level;

	if (json_unpack(value, "{s:s, s:i, s:I}", "module", &module, "level", &level, "until",
	                &until) != 0 ||
	    level < LOG_LEVEL_ERROR || level > LOG_LEVEL_DEBUG) {
		return false;
	}
	until -= env_wall_ns();
	if (until > 0 && log_level_set(module, level, now_ns, now_ns + until) == 0) {
		kept->levels++;
	}
	return true;
}

static bool
take_place(struct kept *kept, json_t *value)
{
	const char *op;
	int slice, lcore;

	return json_unpack(value, "[s, i, i]", &op, &slice, &lcore) == 0 &&
	       strlen(op) < MANAGER_NAME && slice >= 0 && slice < (int)LM_SLICES_MAX &&
	       lcore >= 0 && kept_place(kept, op, (uint32_t)slice, (uint32_t)lcore) == 0;
}

static bool
take_all(struct kept *kept, const char *text, size_t size)
{
	json_t *all = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	json_t *levels, *places, *value;
	json_int_t moved_by;
	size_t i;
	int is_frozen;
	bool good =
	    all != NULL && json_unpack(all, "{s:b, s:o, s:o, s:I}", "frozen", &is_frozen, "levels",
	                               &levels, "places", &places, "moved_by", &moved_by) == 0;

	if (good) {
		kept->is_frozen = is_frozen != 0;
		kept->moved_by = (uint64_t)moved_by;
		json_array_foreach(levels, i, value)
		{
			good = take_level(kept, value) && good;
		}
		json_array_foreach(places, i, value)
		{
			good = take_place(kept, value) && good;
		}
	}
	json_decref(all);
	return good;
}

int
kept_open(struct kept *kept, const char *folder, uint64_t job, char why[JOURNAL_WHY])
{
	uint32_t size;
	void *bytes;
	int result = journal_kept(folder, NAME, job, &bytes, &size);

	*kept = (struct kept){ .job = job };
	why[0] = '\0';
	if (result != 0 && result != -EBADMSG) {
		snprintf(why, JOURNAL_WHY, "%s/manager/" NAME ": %s", folder, strerror(-result));
		return result;
	}
	if (result == -EBADMSG || (bytes != NULL && !take_all(kept, bytes, size))) {
		snprintf(why, JOURNAL_WHY,
		         "%s/manager/" NAME
		         " is damaged: what was frozen, moved by hand and set for "
		         "a while is forgotten",
		         folder);
		kept->is_frozen = false;
		kept->moved_by = 0;
		kept_forget_places(kept);
	}
	free(bytes);
	kept->folder = strdup(folder);
	return kept->folder == NULL ? -ENOMEM : 0;
}

void
kept_close(struct kept *kept)
{
	free(kept->folder);
	free(kept->place);
	*kept = (struct kept){ 0 };
}

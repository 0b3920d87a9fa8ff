/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_LIST_H
#define STORE_LIST_H

/* What the parts of the store share about the folder; store*.c only. */

#include "state/store.h"

#define STORE_PATH_MAX (STORE_FOLDER_MAX + 100u)
#define STORE_LOCK "LOCK"
/* What the manager of the job keeps: mgmt/journal.h. */
#define STORE_MANAGER "manager"
/* Copies of plugins that snapshots need: mgmt/plugin_copies.h. */
#define STORE_PLUGINS "plugins"

void store_path(char path[STORE_PATH_MAX], const char *folder, const char *name);
/* Reads the copies of a manifest: `epoch` is set, damaged or not; 0, or -errno of this process. */
int store_epoch_read(const char *folder, uint64_t number, struct store_epoch *epoch);
void store_epoch_free(struct store_epoch *epoch);
/* In its place, which is free. 0 or -ENOMEM. */
int store_list_insert(struct store_list *list, const struct store_epoch *epoch);
void store_list_remove(struct store_list *list, uint32_t index);
struct store_epoch *store_list_find(const struct store_list *list, uint64_t epoch);
/* Names anew, and manifests that were not known yet; those known stay as they are. */
int store_list_refresh(const char *folder, struct store_list *list);

#endif

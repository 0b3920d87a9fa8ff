/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGIN_COPIES_H
#define PLUGIN_COPIES_H

/*
 * Copies of plugins beside the snapshots that need them, in FOLDER/plugins/DIGEST.so: what is at a
 * plugin's path by the next start may be other code, or none. A copy is there, durably, before a
 * snapshot has it in its note (mgmt/resume_note.h), and goes when none has it any more. It is
 * trusted as what stands at a path is, and looked at likewise when it is loaded. Control thread.
 */

#include <stdint.h>

#include "core/graph.h"

#define PLUGIN_COPIES_PATH 1000u
#define PLUGIN_COPIES_WHY 400u

void plugin_copies_path(const char *folder, const char *digest, char path[PLUGIN_COPIES_PATH]);
/* There is a sound copy of each plugin of the graph. 0, or -errno and a sentence that says what to
 * do. */
int plugin_copies_put(const char *folder, const struct lm_graph *graph,
                      char why[PLUGIN_COPIES_WHY]);
/*
 * Removes copies that neither the graph nor a snapshot in the folder needs; none where a snapshot
 * cannot be read. Returns how many there are now that the graph does not need, or -errno.
 */
int plugin_copies_prune(const char *folder, const struct lm_graph *graph);

#endif

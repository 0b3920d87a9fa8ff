/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator's command: runs a scenario over many seeds, replays one, checks that a seed gives
 * the same run twice, and that planted bugs are caught.
 *
 *     sim SCENARIO [--seeds N] [--first SEED] [--canaries]
 *     sim expected CAPTURE
 *
 * Scenarios: graphs stops versions flows captures decoded words windows aging cycle csv tcp crash
 * elastic bottleneck store log; "captures" takes --seeds for each capture there is. The second form
 * prints what runs on a capture are compared with, for others to compare that with.
 */

#include <assert.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/canary.h"
#include "tests/sim/classes.h"
#include "tests/sim/classes_cost.h"
#include "tests/sim/crash.h"
#include "tests/sim/elastic_sim.h"
#include "tests/sim/graphs.h"
#include "tests/sim/log_sim.h"
#include "tests/sim/caught.h"
#include "tests/sim/sim.h"
#include "tests/sim/snapshots.h"
#include "tests/sim/store_sim.h"
#include "tests/sim/topologies.h"
#include "tests/sim/versions.h"

extern enum canary canary_planted;

/* Of CPU time, as on a machine with other work all else means nothing: a seed takes milliseconds,
 * few take minutes; one that is in the same step for so long, or makes none, stands still. */
#define STILL_SECONDS 120u
#define CANARY_SECONDS 8u
/* A step takes microseconds, one that takes this long twice is a loop. */
#define STEP_SECONDS 2

struct scenario {
	const char *name;
	bool (*run)(uint64_t seed);
	uint64_t blind; /* a bit for each planted bug that nothing in the scenario can run into */
	/* How many inputs there are, which follow each other from seed to seed; NULL: one. */
	uint32_t (*inputs)(void);
	unsigned seed_seconds; /* that a seed may take; 0: few of them take one */
};

static_assert(CANARY_COUNT <= 64, "a bit for each");
#define BLIND(canary) (UINT64_C(1) << (canary))
#define BLIND_ALL UINT64_MAX
/*
 * Nothing is read back from a disk, and no job with snapshots is stopped. Nor is a map near its
 * bound where slots move: only `crash` sees that keys are not counted.
 */
#define BLIND_STORE                                                                                \
	(BLIND_ALL << CANARY_STORE_FIRST | BLIND(CANARY_LOST_POSITION) |                           \
	 BLIND(CANARY_EARLY_COMMIT) | BLIND(CANARY_EARLY_EPOCH) | BLIND(CANARY_LATE_END) |         \
	 BLIND(CANARY_COUNT_LEFT) | BLIND(CANARY_NOTE_STALE) | BLIND_VERSIONS)
/* Operators keep their code, and do not look at their state. */
#define BLIND_VERSIONS                                                                             \
	(BLIND(CANARY_SLOT_TWICE) | BLIND(CANARY_SLOT_FORGOTTEN) | BLIND(CANARY_SLOT_OLD) |        \
	 BLIND(CANARY_SLOT_SKIPPED) | BLIND(CANARY_TRIAL_LEFT) | BLIND(CANARY_TRIAL_FEW) |         \
	 BLIND(CANARY_TRIAL_MIXED) | BLIND(CANARY_EARLY_CHECK))
#define BLIND_ENGINE (~(BLIND_ALL << CANARY_STORE_FIRST))
/* Operators keep their slices. */
#define BLIND_CHANGE (BLIND(CANARY_EARLY_SWITCH) | BLIND(CANARY_EARLY_TURN) | BLIND_CODE)
/* And their code. */
#define BLIND_CODE BLIND(CANARY_LOST_HAND)
/* No keys that grow old, and no lists. */
#define BLIND_LINKS BLIND(CANARY_UNTOUCHED_LINK)
/* The copier is through with slots before their owner writes again. */
#define BLIND_RACE (BLIND(CANARY_COPY_PASSED) | BLIND(CANARY_IMAGE_WINS))
/* No state that snapshots know. */
#define BLIND_STATE                                                                                \
	(BLIND(CANARY_UNTOUCHED_KEY) | BLIND(CANARY_UNTOUCHED_VALUE) | BLIND(CANARY_LATE_LOG) |    \
	 BLIND(CANARY_LATE_INSERT) | BLIND(CANARY_PAGE_LEFT) | BLIND_RACE | BLIND_LINKS)

/* No policy decides anything. */
#define BLIND_POLICY (BLIND(CANARY_NO_HYSTERESIS) | BLIND(CANARY_FEW_SLICES))

static const struct scenario *running;
static uint64_t running_seed, running_steps;

static const struct scenario scenarios[] = {
	{ "graphs", sim_graphs_run,
	  BLIND_STORE | BLIND_STATE | BLIND(CANARY_EARLY_TURN) | BLIND_CODE, NULL, 0 },
	{ "stops", sim_stops_run, BLIND_STORE | BLIND_STATE | BLIND(CANARY_EARLY_TURN) | BLIND_CODE,
	  NULL, 0 },
	/* Calls go through at once, without event time; slots are of one chunk. */
	{ "versions", sim_versions_run,
	  (BLIND_STORE & ~BLIND_VERSIONS) | BLIND(CANARY_UNTOUCHED_LINK) |
	      BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_LOST_CALL) |
	      BLIND(CANARY_EARLY_WATERMARK) | BLIND_CODE | BLIND_RACE,
	  NULL, 0 },
	/* No call of these with rows stops half way; slots of flows are of a chunk or two. */
	{ "flows", topo_flows_run,
	  BLIND_STORE | BLIND_LINKS | BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_LOST_CALL) |
	      BLIND_RACE,
	  NULL, 0 },
	{ "captures", topo_captures_run,
	  BLIND_CHANGE | BLIND_STORE | BLIND_LINKS | BLIND(CANARY_DOUBLE_RESUME) | BLIND_RACE,
	  topo_captures, 0 },
	/* Calls that wait are rare, and rarer when a slice moves. */
	{ "decoded", topo_decoded_run,
	  BLIND_STORE | BLIND_LINKS | BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_LOST_CALL) |
	      BLIND_RACE,
	  NULL, 0 },
	/* So are new keys in a line that is being copied. */
	{ "windows", topo_windows_run,
	  BLIND_STORE | BLIND_LINKS | BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_LOST_CALL) |
	      BLIND(CANARY_LATE_INSERT),
	  NULL, 0 },
	/* The room that a call starts with is enough; slots of a chunk or two. */
	{ "aging", topo_aging_run,
	  BLIND_CHANGE | BLIND_STORE | BLIND(CANARY_DOUBLE_RESUME) | BLIND_RACE, NULL, 0 },
	/* No event time; slots of a chunk or two; new keys seldom come into a line that their own
	   batch has saved. */
	{ "words", topo_words_run,
	  BLIND(CANARY_LATE_INSERT) | BLIND_STORE | BLIND_LINKS | BLIND(CANARY_EARLY_WATERMARK) |
	      BLIND_RACE,
	  NULL, 0 },
	/* No key whose rows must meet, nothing that waits for event time; pools of cycles are not
	   audited. */
	{ "cycle", topo_cycle_run,
	  BLIND_CHANGE | BLIND_STORE | BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_LOST_CALL) |
	      BLIND(CANARY_EARLY_WATERMARK) | BLIND(CANARY_WRONG_SLOT) | BLIND(CANARY_LEAK_BATCH) |
	      BLIND_STATE,
	  NULL, 0 },
	{ "csv", topo_csv_run,
	  BLIND_CHANGE | BLIND_STORE | BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_LOST_CALL) |
	      BLIND(CANARY_EARLY_WATERMARK) | BLIND(CANARY_WRONG_SLOT) | BLIND_STATE,
	  NULL, 0 },
	/* Calls go through at once; no slice has several inputs; nothing that waits for event time.
	 */
	{ "tcp", topo_tcp_run,
	  BLIND_CHANGE | BLIND_STORE | BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_EARLY_MARKER) |
	      BLIND(CANARY_EARLY_WATERMARK) | BLIND(CANARY_WRONG_SLOT) | BLIND_STATE,
	  NULL, 0 },
	/* Calls go through at once; no ages; a bit in a hundred thousand is of a key that is there.
	 */
	{ "crash", sim_crash_run,
	  BLIND_CHANGE | BLIND_VERSIONS | BLIND(CANARY_DOUBLE_RESUME) | BLIND(CANARY_LOST_CALL) |
	      BLIND(CANARY_UNTOUCHED_LINK) | BLIND(CANARY_BLIND_CRC) | BLIND_POLICY,
	  NULL, 0 },
	/* Nothing but the policies is put to the test. */
	{ "elastic", sim_elastic_run, ~BLIND_POLICY, NULL, 60 },
	/* Who is slow is found whatever the engine does. */
	{ "bottleneck", sim_bottleneck_run, BLIND_ALL, NULL, 0 },
	/* No engine. */
	{ "store", sim_store_run, BLIND_ENGINE | BLIND_POLICY, NULL, 0 },
	/* What these are for is the log alone. */
	{ "log", sim_log_run,
	  ~(BLIND(CANARY_SKIP_SYNC) | BLIND(CANARY_SKIP_DIR_SYNC) | BLIND(CANARY_BLIND_CRC)), NULL,
	  0 },
};

/* SIGVTALRM comes then; 0: it does not. */
static void
alarm_after(unsigned seconds)
{
	struct itimerval once = { .it_value = { .tv_sec = seconds } };

	setitimer(ITIMER_VIRTUAL, &once, NULL);
}

/* All that time in the same step. */
static void
stands_still(int number)
{
	char text[160];
	int length = snprintf(text, sizeof(text),
	                      "FAILED: sim %s --first %" PRIu64 " --seeds 1 stands still\n",
	                      running->name, running_seed);

	(void)number;
	if (running_steps != sim_steps()) {
		running_steps = sim_steps();
		alarm_after(STILL_SECONDS);
		return;
	}
	if (write(STDERR_FILENO, text, (size_t)length) >= 0) {
		_exit(1);
	}
	_exit(1);
}

/* Every run of a seed goes through here: one that never comes back is told, too. */
static bool
run_watched(const struct scenario *scenario, uint64_t seed)
{
	bool good;

	running = scenario;
	running_seed = seed;
	running_steps = sim_steps();
	signal(SIGVTALRM, stands_still);
	alarm_after(STILL_SECONDS);
	good = scenario->run(seed);
	alarm_after(0);
	return good;
}

/* One seed in twenty is run twice: what differs depends on something other than the seed. */
static bool
run_seed(const struct scenario *scenario, uint64_t seed)
{
	uint64_t trace;

	if (!run_watched(scenario, seed)) {
		fprintf(stderr, "FAILED: sim %s --first %" PRIu64 " --seeds 1\n", scenario->name,
		        seed);
		return false;
	}
	trace = sim_trace();
	if (seed % 20 == 0 && (!run_watched(scenario, seed) || sim_trace() != trace)) {
		fprintf(stderr, "FAILED: seed %" PRIu64 " of %s gave another run the second time\n",
		        seed, scenario->name);
		return false;
	}
	return true;
}

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

/* Called now and then: ends a run that is still in the step it was in before. */
static void
end_if_same_step(int number)
{
	static uint64_t seed, steps;

	(void)number;
	if (seed == running_seed && steps == sim_steps()) {
		_exit(1);
	}
	seed = running_seed;
	steps = sim_steps();
}

static void
watch_steps(void)
{
	struct itimerval every = { { STEP_SECONDS, 0 }, { STEP_SECONDS, 0 } };

	signal(SIGPROF, end_if_same_step);
	setitimer(ITIMER_PROF, &every, NULL);
}

/*
 * In a child, since a canary may end in an assert: that is being caught too. Its files go to a
 * folder of its own, for it may not come to remove them. `at`: the seed that it is at, for others.
 */
static bool
seeds_catch(const struct scenario *scenario, enum canary canary, uint64_t first, uint64_t last,
            volatile uint64_t *at)
{
	char folder[] = "/tmp/sim-canary-XXXXXX";
	pid_t child = mkdtemp(folder) == NULL ? -1 : fork();
	int status = 0;

	if (child == 0) {
		setenv("TMPDIR", folder, 1);
		if (freopen("/dev/null", "w", stderr) == NULL) {
			_exit(0);
		}
		canary_planted = canary;
		watch_steps();
		for (uint64_t seed = first; seed <= last; seed++) {
			/* Many bugs end in a loop: a few seconds say so. */
			*at = running_seed = seed;
			alarm_after(scenario->seed_seconds > 0 ? scenario->seed_seconds
			                                       : CANARY_SECONDS);
			if (!scenario->run(seed)) {
				_exit(1);
			}
		}
		_exit(0);
	}
	waitpid(child, &status, 0);
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return child > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/*
 * The first of the seeds that catches it, 0: none. It is the bug that is caught if the seed is good
 * without: one that takes longer than a canary may is passed over.
 */
static uint64_t
first_to_catch(const struct scenario *scenario, enum canary canary, uint64_t first, uint64_t last,
               volatile uint64_t *at)
{
	while (first <= last && seeds_catch(scenario, canary, first, last, at)) {
		uint64_t by = *at;

		if (!seeds_catch(scenario, CANARY_NONE, by, by, at)) {
			return by;
		}
		printf("seed %" PRIu64 " is not good by itself, or takes long\n", by);
		first = by + 1;
	}
	return 0;
}

/* The one that did so before is tried first. */
static uint64_t
caught_by(const struct scenario *scenario, enum canary canary, uint64_t seeds)
{
	uint64_t *at =
	    mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t before = caught_before(scenario->name, canary), by = 0;

	if (at == MAP_FAILED) {
		abort();
	}
	if (before > 0) {
		by = first_to_catch(scenario, canary, before, before, at);
	}
	if (by == 0) {
		by = first_to_catch(scenario, canary, 1, seeds, at);
	}
	munmap(at, sizeof(*at));
	return by;
}

static int
run_canaries(const struct scenario *scenario, uint64_t seeds)
{
	int missed = 0;

	for (int canary = CANARY_NONE + 1; canary < CANARY_COUNT; canary++) {
		bool blind = (scenario->blind & BLIND(canary)) != 0;
		uint64_t by = blind ? 0 : caught_by(scenario, (enum canary)canary, seeds);

		if (by > 0) {
			printf("canary %d: caught by seed %" PRIu64 "\n", canary, by);
			continue;
		}
		printf("canary %d: %s\n", canary,
		       blind ? "not met by this scenario" : "NOT CAUGHT");
		missed += blind ? 0 : 1;
	}
	return missed;
}

/* Every input gets `seeds` seeds, from `first` on. */
static int
run_seeds(const struct scenario *scenario, uint64_t first, uint64_t seeds)
{
	uint64_t inputs = scenario->inputs == NULL ? 1 : scenario->inputs();

	for (uint64_t seed = first; seed < first + seeds * inputs; seed++) {
		if (!run_seed(scenario, seed)) {
			return 1;
		}
	}
	if (scenario->inputs == NULL) {
		printf("%s: %" PRIu64 " seeds good\n", scenario->name, seeds);
	} else {
		printf("%s: %" PRIu64 " seeds good for each of %" PRIu64 "\n", scenario->name,
		       seeds, inputs);
	}
	return 0;
}

static const struct scenario *
find_scenario(const char *name)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, name) == 0) {
			return &scenarios[i];
		}
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	const struct scenario *scenario = argc > 1 ? find_scenario(argv[1]) : NULL;
	uint64_t seeds = 100, first = 1;
	bool canaries = false;

	if (argc == 3 && strcmp(argv[1], "expected") == 0) {
		return topo_flows_print(argv[2]) ? 0 : 1;
	}
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--canaries") == 0) {
			canaries = true;
		} else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
			seeds = strtoull(argv[++i], NULL, 0);
		} else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc) {
			first = strtoull(argv[++i], NULL, 0);
		} else {
			scenario = NULL;
		}
	}
	if (scenario == NULL) {
		fprintf(stderr, "usage: sim SCENARIO [--seeds N] [--first SEED] [--canaries]\n"
		                "       sim expected CAPTURE\n");
		return 2;
	}
	/* Under sanitizers a seed takes ten times as long. */
	if (getenv("LODEMILL_SANITIZED") != NULL) {
		seeds = (seeds + 5) / 6;
	}
	sim_classes_register();
	sim_recent_register();
	sim_cost_register();
	sim_snapshots_watch();
	if (canaries) {
		return run_canaries(scenario, seeds) == 0 ? 0 : 1;
	}
	return run_seeds(scenario, first, seeds);
}

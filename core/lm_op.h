/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_OP_H
#define LM_OP_H

/*
 * What an operator's author needs. An operator is a class (a table of functions and names); the
 * engine makes slices of it, each run by exactly one lcore at a time, so an operator needs no lock
 * and no thread-local state: everything hangs off `op`. Built-in operators and plugins are written
 * alike.
 *
 * Life of a class in a topology:
 *
 *     configure   once, on a control thread, before anything runs: reads parameters, checks them
 *                 against the schemas of the inputs, declares the schemas of the outputs
 *     open        once a slice, on a control thread; may allocate, may fail with a message
 *     poll | process | watermark | timer | epoch | end
 *                 on the slice's lcore, one at a time, never after `end`; must not block
 *     deserialize once a slice that goes on from a snapshot, behind open, on a control thread
 *     adopt       instead, once for each slice of then, when there is another number of them now
 *     give | take on the slices' lcores, when their number changes while they run
 *     convert     on the lcore of a slice that goes on, as other code, from the state of an older
 *                 version, a slot at a time; convert_back the other way round
 *     serialize   on the slice's lcore, when a snapshot is taken, behind epoch
 *     prepare     of a sink that commits: on the slice's lcore, in front of serialize, and behind
 * end close       once a slice that was opened, on a control thread unconfigure once, if configure
 * succeeded
 *
 * Output. `lm_op_reserve` gives an output batch with room for the rows wanted; write the columns in
 * place, then `lm_op_emit`. To pass the input on, whole or in part, and with no copy where the next
 * slice shares the lcore: `lm_op_forward`, `lm_op_forward_select`.
 *
 * Room. A callback starts only when every output has room for LM_BATCH_ROWS rows. One that may emit
 * more per call (a split, a window that closes) asks `lm_op_room` and, when it stops early, calls
 * `lm_op_again`: the same callback is then called again, with the same arguments, as soon as there
 * is room, and the slice gets nothing else in between. The operator remembers how far it came.
 *
 * Counting. A row that an operator does not pass on is dropped under a name (`lm_op_drop`) or, by a
 * class that keeps or writes rows, absorbed (`lm_op_absorb`); see enum lm_rows. The engine checks
 * the sum of every operator at the end of a run.
 */

#include "core/lm_batch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Major in the high half, minor in the low one. A plugin loads when the majors are equal and its
 * minor is not above the engine's. Fields are only ever added at the end of a table. */
#define LM_ABI_MAJOR 1u
#define LM_ABI_MINOR 4u
#define LM_ABI_VERSION ((LM_ABI_MAJOR << 16) | LM_ABI_MINOR)

/* Ports of a class in one direction, drop reasons of a class, timers of a slice. */
#define LM_PORTS_MAX 8u
#define LM_DROPS_MAX 32u
#define LM_TIMERS_MAX 4u
#define LM_OP_GAUGES 8u

struct lm_op;     /* a slice, as its operator sees it */
struct lm_setup;  /* a class in a topology, while it is configured */
struct lm_writer; /* core/lm_serial.h */
struct lm_reader;

/*
 * Slots that go from one slice of a running operator to another: all s with slice_of[s] == to, of
 * 2^slot_bits. `word` is what the class's give leaves for its take, zeroes at first.
 */
#define LM_MOVE_WORDS 8u
struct lm_move {
	const uint16_t *slice_of;
	uint32_t slot_bits;
	uint32_t to;
	uint64_t lost; /* take: keys that had no place, see lm_map_set_label */
	uint64_t word[LM_MOVE_WORDS];
};

/*
 * What one slice of the operator left in a snapshot, for a slice that goes on from it when there
 * are more or fewer of them. Maps and lists by slot are there already, those of other slots not.
 */
struct lm_adoption {
	uint32_t slice; /* then */
	uint32_t version;
	struct lm_reader *reader; /* what serialize wrote */
	/* Its values, in the order in which they were opened. */
	uint32_t value_count;
	const void *const *value;
	const uint64_t *value_size; /* bytes, at least what was asked for */
	/* Of the operator now: see lm_adopts. */
	const uint16_t *slice_of; /* NULL: all are of this slice */
	uint32_t slot_bits;
	uint32_t index;
	bool is_last;  /* of the slices of then */
	uint64_t lost; /* to add to: keys that find no place; then the job does not start */
};

/* Whether a key of this hash (lm_op_hash) is of the slice that adopts. */
static inline bool
lm_adopts(const struct lm_adoption *from, uint64_t hash)
{
	return from->slice_of == NULL ||
	       from->slice_of[hash >> 1 >> (63u - from->slot_bits)] == from->index;
}
/* Whether slots of this number leave. */
static inline bool
lm_moves(const struct lm_move *move, uint32_t slot)
{
	return move->slice_of[slot] == move->to;
}

/*
 * A transaction: what a slice of a sink wrote between two snapshots, in words of its class. The
 * sink makes it visible once the snapshot that belongs to it is durable, be it in this process or
 * in the one that goes on after a crash.
 */
struct lm_transaction {
	const char *op; /* the sink's name in the topology */
	uint32_t slice;
	uint64_t number;      /* grows with every one of the slice, over restarts too */
	uint64_t incarnation; /* of the process that runs now: see lm_op_incarnation */
	const void *bytes;    /* as prepare wrote them; fence: none */
	size_t size;
	uint32_t attempts; /* secure: how often it has failed */
	char why[240];     /* to fill in on failure: a sentence that says what to do */
};

/*
 * State that one version of a class left, on its way to another version: state/lm_convert.h has
 * what can be done with it.
 */
struct lm_conversion {
	uint32_t version;    /* state_version of the other class */
	uint32_t slot;       /* LM_NONE: what belongs to no slot */
	struct lm_op *other; /* the other class's slice: of its maps, not of its context */
	/* convert_back, of LM_NONE: what the older class would have serialized. */
	struct lm_writer *writer;
	char why[200]; /* to fill in on failure: a sentence */
};

/* What a parameter holds and how a person writes it. */
enum lm_param_type {
	LM_PARAM_U64,      /* 42, 1_000, 64Ki, 2M */
	LM_PARAM_F64,      /* 0.25 */
	LM_PARAM_BOOL,     /* true, false */
	LM_PARAM_TEXT,     /* anything */
	LM_PARAM_CHOICE,   /* one of `choices` */
	LM_PARAM_DURATION, /* 20us, 100ms, 1s, 5m, 1h; nanoseconds */
	LM_PARAM_SIZE,     /* 64KiB, 2MiB, 1GB, 100; bytes */
	LM_PARAM_RATE,     /* 100000, 1M, 2.5k; per second */
	LM_PARAM_COLUMN,   /* a field of the first input */
	LM_PARAM_COLUMNS,  /* a list of them */
	LM_PARAM_EXPR,     /* an expression over the first input */
	LM_PARAM_LIST,     /* a list of texts */
	LM_PARAM_MAP       /* names with texts, in order; of a list, each text is its own name */
};

struct lm_param {
	const char *name;
	enum lm_param_type type;
	bool required;
	const char *fallback;       /* as a person would write it; NULL: absent */
	double min, max;            /* of numbers; both 0: no bound */
	const char *const *choices; /* of LM_PARAM_CHOICE, ended by NULL */
	const char *summary;        /* one sentence for people, no full stop needed */
};

/* How the rows of a class add up, checked at the end of every run. */
enum lm_rows {
	LM_ROWS_SOURCE, /* no input; of one that tells what it takes from outside (lm_op_absorb):
	                   that = rows out of the first output + drops */
	LM_ROWS_PASS,   /* rows in = rows out of the first output + absorbed + drops */
	LM_ROWS_ABSORB, /* rows in = absorbed + drops; rows out are made from state */
	LM_ROWS_SPLIT   /* as ABSORB: a row in may become any number of rows out */
};

enum lm_op_flags {
	LM_OP_GLOBAL = 1,    /* one slice only, whatever the topology says */
	LM_OP_KEYED = 2,     /* with more than one slice, the input must be grouped by key */
	LM_OP_AMPLIFIES = 4, /* asks lm_op_room: may emit more than LM_BATCH_ROWS rows a callback */
	LM_OP_SINK = 8,      /* the end of the way: latency is recorded here */
	/* Passes rows on later than it gets them: event time and idleness wait for as long as
	 * `hold` says, which is asked anew behind each callback. */
	LM_OP_DELAYS = 16,
	/*
	 * Its number of slices may change, while it runs and over a restart: what it keeps of keys
	 * is in maps and lists by slot (they go by themselves), or give, take and adopt see to it.
	 * Without it the number stays as it is.
	 */
	LM_OP_RESCALES = 32
};

enum lm_poll {
	LM_POLL_IDLE, /* nothing there now */
	LM_POLL_BUSY, /* rows were emitted, or time was used */
	LM_POLL_END   /* nothing will ever come again */
};

struct lm_op_class {
	uint32_t abi_version; /* LM_ABI_VERSION */
	uint32_t flags;       /* enum lm_op_flags */
	const char *name;     /* as in a topology's `type:`, [a-z][a-z0-9_]* */
	const char *version;
	const char *summary;
	const struct lm_param *params; /* ended by a NULL name; may be NULL */
	const char *const *inputs;     /* names, ended by NULL; NULL for a source */
	const char *const *outputs;    /* names, ended by NULL; NULL for a sink */
	const char *const *drops; /* reasons, ended by NULL; the index is what lm_op_drop takes */
	enum lm_rows rows;
	size_t config_size; /* of the struct that configure fills, shared read-only by all slices */
	size_t context_size; /* of a slice's struct; zeroed before open */

	/* Returns 0, or -1 after lm_setup_error. NULL: no output, or outputs like the first input.
	 */
	int (*configure)(struct lm_setup *setup, void *config);
	void (*unconfigure)(void *config);
	/* Returns 0, or -errno after lm_op_error. */
	int (*open)(struct lm_op *op);
	void (*close)(struct lm_op *op);

	/* Sources. */
	enum lm_poll (*poll)(struct lm_op *op);
	/* All others. `in` has at least one row; lm_op_input says which input it came by. */
	void (*process)(struct lm_op *op, const struct lm_batch *in);
	/* Optional: the rows of a selection, in place. Without it the engine gathers them first. */
	void (*process_select)(struct lm_op *op, const struct lm_select *in);
	/* Optional: event time has reached `time_ns` on all inputs: no row at or before it follows.
	 */
	void (*watermark)(struct lm_op *op, int64_t time_ns);
	/* Optional: a timer of this slice is due. */
	void (*timer)(struct lm_op *op, uint32_t timer);
	/* Optional: the marker of `epoch` has arrived on all inputs and is about to go on. */
	void (*epoch)(struct lm_op *op, uint64_t epoch);
	/*
	 * Optional: all inputs have ended (sources: poll said so). Last chance to emit. A sink also
	 * has it, behind the last row, when the running job goes on without it.
	 */
	void (*end)(struct lm_op *op);
	/*
	 * Optional: the event time to pass on when watermark(op, time_ns) is through, at most
	 * time_ns and never going back; for a class whose rows to come may be older (a window's
	 * start). INT64_MIN: none yet. Without it time_ns goes on. With LM_OP_DELAYS it is
	 * less than INT64_MAX of INT64_MAX exactly while rows are kept back.
	 */
	int64_t (*hold)(struct lm_op *op, int64_t time_ns);

	/* Since minor 1. */
	/*
	 * Optional: what a snapshot must keep besides maps and values, at most LM_SERIAL_MAX bytes
	 * (core/lm_serial.h). Called on the slice's lcore right behind `epoch`, and must be quick:
	 * the slice waits.
	 */
	void (*serialize)(struct lm_op *op, struct lm_writer *writer);
	/*
	 * Optional: the opposite, on a control thread, after open and before anything runs; maps
	 * and values hold what they held. `version`: state_version of the class that wrote it.
	 */
	void (*deserialize)(struct lm_op *op, struct lm_reader *reader, uint32_t version);
	uint32_t state_version;

	/* Since minor 2. A sink that commits (LM_TRAIT_COMMITS) has all four. */
	/*
	 * Closes the slice's transaction and writes down how to find what is in it, at most
	 * LM_SERIAL_MAX bytes; nothing if it is empty. On the slice's lcore, when the marker of a
	 * snapshot has arrived, and once behind end. What is written afterwards belongs to the next
	 * one. It cannot fail: what can (a disk) belongs into `epoch` and `end`, which may ask to
	 * be called again.
	 */
	void (*prepare)(struct lm_op *op, uint64_t number, struct lm_writer *writer);
	/*
	 * On a control thread, one at a time, in the order of numbers, while the slice runs on: so
	 * they use nothing but their arguments. 0, or -errno and txn->why; they are then called
	 * again later. Each may be called twice.
	 * secure: what is in it survives a crash from now on. Nobody sees it yet.
	 * commit: the snapshot is durable: everybody sees it.
	 * fence: before anything runs: what earlier incarnations of the slice prepared and nobody
	 * has committed is thrown away, and none of them can commit any more.
	 */
	int (*secure)(const void *config, struct lm_transaction *txn);
	int (*commit)(const void *config, struct lm_transaction *txn);
	int (*fence)(const void *config, struct lm_transaction *txn);
	/*
	 * Optional, for who keeps a log: on a control thread, while the slice runs on. No snapshot
	 * that is kept is older than the one in which the slice serialized these bytes: what only
	 * older ones need may go. 0, or -errno and why.
	 */
	int (*trim)(struct lm_op *op, const void *serialized, size_t size, char *why,
	            size_t why_size);

	/* Since minor 3. For classes with LM_OP_RESCALES; all optional. */
	/*
	 * On the slice's lcore, between two callbacks: slots are about to leave. Whatever belongs
	 * to their keys must stand in the maps and lists then; pointers to it are given up.
	 */
	void (*give)(struct lm_op *op, struct lm_move *move);
	/* On the lcore of the slice that gets them: they have come. */
	void (*take)(struct lm_op *op, struct lm_move *move);
	/*
	 * On a control thread, behind open and before anything runs, in place of deserialize, once
	 * for each slice that there was when the snapshot was taken: merges what it left besides
	 * maps and lists by slot. A class that serializes or has values must have it, or it goes on
	 * with as many slices as it had.
	 */
	void (*adopt)(struct lm_op *op, struct lm_adoption *from);

	/*
	 * Since minor 4. For code that takes the place of other code while the job runs, where
	 * state_version differs; all optional. See state/lm_convert.h.
	 */
	/*
	 * On a control thread: whether this code can go on from what a class of its name with that
	 * state_version kept. What was serialized goes to `deserialize`, which is told the version.
	 */
	bool (*converts)(uint32_t from_version);
	/*
	 * Makes the state of one slot of the older version into this one's: on the slice's lcore,
	 * between two callbacks or within one that needs the slot, once for each slot, with
	 * LM_NONE first. The maps of this version have nothing of the slot yet. 0, or -errno and
	 * from->why: the slot then stays what it was, its keys are refused, and the job goes back.
	 * Must be quick: rows wait for it; 20 us for a slot is good.
	 */
	int (*convert)(struct lm_op *op, struct lm_conversion *from);
	/*
	 * The opposite, of the same class: makes a slot of this slice into the maps of the older
	 * class that takes its place, `to`. Without it there is no way back.
	 */
	int (*convert_back)(struct lm_op *op, struct lm_conversion *to);
	/*
	 * Whether the state that the slice has makes sense; 0, or -EINVAL and why. It only reads.
	 * In a rehearsal, behind the conversion, where nothing runs; and while other code soaks,
	 * on the slice's lcore between two callbacks, again and again: rows wait for it.
	 */
	int (*check)(struct lm_op *op, char *why, size_t why_size);
};

/*
 * configure: parameters. Names are those of the table; values were parsed and bounds were checked
 * before configure runs, so these cannot fail. An absent optional parameter is 0, NULL or empty;
 * one with a fallback is never absent. Texts stay valid until unconfigure has returned.
 */
bool lm_setup_has(const struct lm_setup *setup, const char *name);
uint64_t lm_setup_u64(const struct lm_setup *setup,
                      const char *name);                             /* U64, DURATION, SIZE, RATE */
double lm_setup_f64(const struct lm_setup *setup, const char *name); /* F64, RATE */
bool lm_setup_bool(const struct lm_setup *setup, const char *name);
uint32_t lm_setup_choice(const struct lm_setup *setup, const char *name);  /* index in choices */
const char *lm_setup_text(const struct lm_setup *setup, const char *name); /* TEXT, EXPR, COLUMN */
uint32_t lm_setup_column(const struct lm_setup *setup,
                         const char *name); /* field index or LM_NONE */
/* LIST, COLUMNS, MAP: how many; the text of one; COLUMNS: its field; MAP: its name. */
uint32_t lm_setup_count(const struct lm_setup *setup, const char *name);
const char *lm_setup_item(const struct lm_setup *setup, const char *name, uint32_t index);
uint32_t lm_setup_item_column(const struct lm_setup *setup, const char *name, uint32_t index);
const char *lm_setup_item_name(const struct lm_setup *setup, const char *name, uint32_t index);

/* configure: schemas, and what else is known of the place in the topology. */
const struct lm_schema *lm_setup_input(const struct lm_setup *setup, uint32_t input);
uint32_t lm_setup_slices(const struct lm_setup *setup);
/*
 * How many keys the operator's maps are for, all slices together. Its state is then cut into so
 * many slots that each is worth its space: 256 keys or more, where settings.slots allows it.
 */
void lm_setup_keys(struct lm_setup *setup, uint64_t keys);
/* What an operator, configured like this, can do for a guarantee over crashes: a sum of them. */
enum lm_trait {
	LM_TRAIT_REPLAYS = 1, /* a source that gives the same rows again from where it was */
	LM_TRAIT_COMMITS = 2, /* a sink whose rows are seen once their snapshot is durable */
	LM_TRAIT_LOGS = 4     /* gives again what it got, whether its source can or not */
};
void lm_setup_trait(struct lm_setup *setup, uint32_t traits);
/* Declares the schema of an output. Returns 0, or -1 after reporting why it cannot be. */
int lm_setup_output(struct lm_setup *setup, uint32_t output, const struct lm_field *fields,
                    uint32_t count);
int lm_setup_output_like(struct lm_setup *setup, uint32_t output, const struct lm_schema *schema);
/*
 * Reports what is wrong with a parameter (NULL: the operator), in a sentence, with what to do in
 * `hint` (may be NULL). `item` is the item of a list or map, or LM_NONE; `column` the character of
 * the value that is meant, from 0, or LM_NONE. Always returns -1.
 */
int lm_setup_error(struct lm_setup *setup, const char *param, uint32_t item, uint32_t column,
                   const char *hint, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Any callback of a slice: what it is. */
const void *lm_op_config(const struct lm_op *op);
void *lm_op_context(const struct lm_op *op);
const char *lm_op_name(const struct lm_op *op); /* of the operator in the topology */
uint32_t lm_op_slice(const struct lm_op *op);   /* 0 to slices - 1 */
uint32_t lm_op_slices(const struct lm_op *op);
uint32_t lm_op_input(const struct lm_op *op); /* in process: which input */
const struct lm_schema *lm_op_input_schema(const struct lm_op *op, uint32_t input);
const struct lm_schema *lm_op_output_schema(const struct lm_op *op, uint32_t output);
/* The clock, read once per turn of the lcore: monotonic, and nanoseconds since 1970 (UTC). */
int64_t lm_op_now_ns(const struct lm_op *op);
int64_t lm_op_wall_ns(const struct lm_op *op);
/* When the oldest row in hand entered the engine (monotonic), INT64_MAX if unknown. */
int64_t lm_op_ingress_ns(const struct lm_op *op);
/* 64 random bits from the slice's own generator, seeded by the job's seed. */
uint64_t lm_op_random(struct lm_op *op);
/* How often the job has been started on its state folder: grows with each time; 0: it has none, and
 * no snapshot is ever taken. */
uint64_t lm_op_incarnation(const struct lm_op *op);
/* Once the job runs: whether the slice had ended in the snapshot that it goes on from. It is then
 * called by nothing but close. */
bool lm_op_had_ended(const struct lm_op *op);

/* open: why it fails, in a sentence. Later: an error to show, counted, shown at most once a second.
 */
void lm_op_error(struct lm_op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Memory on the slice's NUMA node, zeroed, 64-byte aligned, freed by the engine after close. open
 * only. */
void *lm_op_alloc(struct lm_op *op, size_t size);

/*
 * Output rows. `rows` is 1 to the capacity of the output's schema (LM_BATCH_ROWS, fewer where rows
 * are wide or settings.batch_rows says so) and at most lm_op_room where the class amplifies.
 * Returns the output batch; *first is the row to write from. What was staged before may be sent
 * first. Strings: *first + i of the offsets column holds the start; write offsets up to first +
 * rows and the bytes between; lm_op_put_string does both.
 */
struct lm_batch *lm_op_reserve(struct lm_op *op, uint32_t output, uint32_t rows, uint32_t *first);
/* The reserved rows are there: `rows` of them, at most what was reserved. */
void lm_op_emit(struct lm_op *op, uint32_t output, uint32_t rows);
/* Rows that can be emitted to an output now. */
uint32_t lm_op_room(struct lm_op *op, uint32_t output);
/* The callback is not done: call it again when there is room. */
void lm_op_again(struct lm_op *op);
/* Passes the input batch (or rows of it) on to the first output. At most once a callback. */
void lm_op_forward(struct lm_op *op, const struct lm_batch *in);
void lm_op_forward_select(struct lm_op *op, const struct lm_select *in);
/* The same to another output. */
void lm_op_forward_to(struct lm_op *op, uint32_t output, const struct lm_batch *in);
void lm_op_forward_select_to(struct lm_op *op, uint32_t output, const struct lm_select *in);
/*
 * Writes a string into `row` of an output batch; rows in order. False when the byte area is full:
 * the operator then emits what it has and reserves anew. A string longer than an empty area never
 * fits: see lm_batch_bytes_max.
 */
bool lm_batch_put_string(struct lm_batch *batch, uint32_t field, uint32_t row, const char *bytes,
                         uint32_t length);
uint32_t lm_batch_bytes_max(const struct lm_schema *schema, uint32_t field);

/* Counting. */
void lm_op_drop(struct lm_op *op, uint32_t reason, uint64_t rows);
void lm_op_absorb(struct lm_op *op, uint64_t rows);

/*
 * The 64-bit hash of the key columns of every row (of every selected row): the one that routed them
 * when they came over a key grouping by the same columns, else computed here. Valid until the
 * callback returns; indexed by row. The hash is keyed by the job's secret.
 */
const uint64_t *lm_op_hash(struct lm_op *op, const struct lm_batch *in,
                           const struct lm_select *rows, const uint32_t *fields,
                           uint32_t field_count);

/* Sources: event time has reached `time_ns`; the output carries it after the rows emitted so far.
 */
void lm_op_watermark(struct lm_op *op, int64_t time_ns);
/* Sources: nothing to expect for a while; those downstream stop waiting for this slice's event
 * time. */
void lm_op_idle(struct lm_op *op);
/*
 * Sources, and classes that delay rows: those emitted from now on in this callback entered the
 * engine, or were due, at `ingress_ns` (monotonic).
 */
void lm_op_set_ingress(struct lm_op *op, int64_t ingress_ns);
/* Sources that emit frames: who keeps them. The handles column is written with the frames. */
void lm_op_set_external(struct lm_op *op, const struct lm_external *external);

/* Calls timer(op, timer) every `period_ns` (0: every turn) from now; a running one is restarted. */
void lm_op_timer_start(struct lm_op *op, uint32_t timer, uint64_t period_ns);
void lm_op_timer_stop(struct lm_op *op, uint32_t timer);

/* What an operator counts of its own, shown beside the rest: up to 8 of them, named at open. */
void lm_op_gauge(struct lm_op *op, uint32_t gauge, const char *name, uint64_t value);

/*
 * A plugin (shared object) exports one function of this name and type: the class at `index`, or
 * NULL past the last.
 */
#define LM_PLUGIN_ENTRY "lm_plugin_class"
const struct lm_op_class *lm_plugin_class(uint32_t index);

/*
 * A grouping of one's own, `using NAME` in a topology: writes the slice of the receiver (0 to
 * destinations - 1) that gets each row, destination[i] for the i-th of `rows` (NULL: of the batch).
 * A plugin may also export a function of this name and type: the grouping at `index`, or NULL past
 * the last.
 */
struct lm_grouping_function {
	const char *name;
	void (*destinations)(const struct lm_batch *in, const struct lm_select *rows,
	                     uint32_t destinations, uint16_t *destination);
};
#define LM_PLUGIN_GROUPINGS "lm_plugin_grouping"
const struct lm_grouping_function *lm_plugin_grouping(uint32_t index);

#ifdef __cplusplus
}
#endif

#endif

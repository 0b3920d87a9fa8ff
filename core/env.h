/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENV_H
#define ENV_H

/*
 * The seam: everything the engine takes from the machine. Two implementations, chosen at link time:
 * core/env_dpdk.c (EAL's memory, clock and lcores) and tests/sim/env_sim.c (one thread, virtual
 * time, a seed, faults). Nothing in core, state, operators or net asks the machine past this
 * header.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Monotonic clock, ns. Cheap; still read once per batch, never per row. */
int64_t env_now_ns(void);
/* Nanoseconds since 1970-01-01 UTC. */
int64_t env_wall_ns(void);
/* 64 unpredictable bits (in the simulator: from the seed). Control threads. */
uint64_t env_random(void);

/*
 * Zeroed memory on a NUMA node (-1: any), aligned to `align` (a power of two, at least 64), from
 * hugepages where there are any. Control threads, before start; NULL when there is none.
 */
void *env_alloc(size_t size, size_t align, int numa_node);
void env_free(void *memory);

/*
 * The pages that a block of env_alloc, or a part of it, stands in, and the NUMA nodes that they are
 * on. Nothing here looks at what is in the memory, or changes its addresses.
 */
struct env_pages {
	size_t page; /* bytes of one, a power of two */
	/* The kernel may have made one large page of those up to a multiple of this; 0: it does
	 * not. */
	size_t group;
	/* The pages that nothing but the block is in; first == end: it shares its pages with other
	 * blocks. */
	uintptr_t first, end;
	/* 0: they may move; -ENOTSUP: devices may know them by physical addresses; -E2BIG: moving
	 * one would hold up whoever writes to it for too long. */
	int fixed;
};
/* Control threads, as long as the block is there. */
void env_pages_of(void *block, struct env_pages *pages);
/* Pages of first to end that nobody has touched yet come from the node of whoever touches them
 * first, wherever the block was asked for. 0, or -errno. Any thread. */
int env_pages_follow(const struct env_pages *pages);
/*
 * Moves pages, by the addresses where they begin, to a node (-1: moves none), and says where each
 * of them is then: a node; -ENOENT: nobody has touched it yet; other -errno: nobody can say.
 * Whoever writes to a page that is being moved waits, as long as it takes to copy ENV_PAGES_HELD
 * pages at most. 0, or -errno: why some are not there, as far as is known: -ENOMEM: the node has
 * none free; -EBUSY: something else holds them; -EPERM, -ENOSYS: this process may move none. At
 * most ENV_PAGES_MAX; not a thread that must not be held up.
 */
#define ENV_PAGES_MAX 512u
#define ENV_PAGES_HELD 16u
int env_pages_move(const uintptr_t *page, uint32_t count, int node, int *where);

/* Runs step(arg) on a worker over and over until it returns false; joined by env_worker_join. */
typedef bool env_step_fn(void *arg);
int env_worker_launch(uint32_t lcore, env_step_fn *step, void *arg);
void env_worker_join(uint32_t lcore);
/* The same on a thread of its own that runs wherever there is room and may block. `name`: at most
 * 15 characters. 0, or -errno. */
struct env_thread;
int env_thread_start(struct env_thread **thread, const char *name, env_step_fn *step, void *arg);
/* Waits until its step has returned false; frees it. NULL is fine. */
void env_thread_join(struct env_thread *thread);
/* A worker with nothing to do: let the CPU rest, give it away, sleep. */
void env_pause(void);
void env_yield(void);
void env_sleep_ns(uint64_t ns);
/*
 * Sleeps until env_wake of the same word, at most so long; not at all if the word is another value
 * by now. May come back earlier for no reason. env_wake: any thread.
 */
void env_park(uint32_t *word, uint32_t value, uint64_t ns);
void env_wake(uint32_t *word);

/* Files, for operators that read and write them. Results: bytes or 0, else -errno. */
int env_file_open(const char *path, int flags, int mode);
ssize_t env_file_read(int file, void *bytes, size_t size);
ssize_t env_file_write(int file, const void *bytes, size_t size);
int env_file_seek(int file, uint64_t offset); /* from the beginning */
int env_file_sync(int file);
int env_file_close(int file);
int env_file_rename(const char *from, const char *to);

/*
 * What must outlive a crash. Bytes written are safe once env_file_sync has returned 0, and a name
 * made, renamed or removed once env_dir_sync of its folder has; before that each of them may or
 * may not be there after a crash. When a sync fails, what was written may be lost even if a later
 * sync succeeds: give the file up, never try again on it.
 */
ssize_t env_file_pread(int file, void *bytes, size_t size, uint64_t offset);
int64_t env_file_size(int file);
/* For this process alone, until the file is closed; -EAGAIN: somebody has it. */
int env_file_lock(int file);
int env_file_unlink(const char *path);
int env_dir_make(const char *path, int mode);
int env_dir_sync(const char *path);
/* An open folder, for env_disk_sync_dir; closed by env_file_close. */
int env_dir_open(const char *path);
/* Calls name(arg, …) for all that is in the folder, in no order; not for "." and "..". */
typedef void env_dir_fn(void *arg, const char *name);
int env_dir_list(const char *path, env_dir_fn *name, void *arg);

/*
 * A queue of bulk writes, past the page cache where the file system allows it. It belongs to one
 * thread. Take a buffer, fill it, write it, and reap what is done, in whatever order:
 *
 *     buffer = env_disk_buffer(disk);                    NULL: all are on their way, reap first
 *     env_disk_write(disk, file, buffer, size, offset, tag);
 *     while (env_disk_reap(disk, true, &done)) …         false: nothing is on its way
 *
 * Files to write are of env_disk_create; sizes and offsets are multiples of ENV_DISK_ALIGN. A write
 * is whole or an error, and its buffer is free again when it is reaped. env_disk_sync is
 * env_file_sync of any file, of what was written before and reaped; several at once cost little
 * more than one. env_disk_sync_dir is env_dir_sync of a folder that env_dir_open has opened. At
 * most ENV_DISK_DEPTH writes and as many syncs are on their way.
 *
 * A queue of bulk reads is the same with memory of the caller's own, aligned to ENV_DISK_ALIGN, and
 * at most ENV_DISK_DEPTH of them on their way: env_disk_open_reads, env_disk_open_file,
 * env_disk_read, env_disk_reap. A read is whole, or ends where the file does, or is an error.
 */
#define ENV_DISK_DEPTH 16u
#define ENV_DISK_BYTES (256u << 10)
#define ENV_DISK_ALIGN 4096u
struct env_disk;
struct env_disk_done {
	void *tag;
	int result;    /* 0 or -errno */
	uint32_t size; /* bytes that were read */
	bool is_sync;
};
struct env_disk *env_disk_open(void); /* NULL: no memory */
/* A queue without buffers. */
struct env_disk *env_disk_open_reads(void);
/* Waits for what is on its way; its results are lost. */
void env_disk_close(struct env_disk *disk);
/* How it writes, for people: "io_uring", "pwrite". */
const char *env_disk_kind(const struct env_disk *disk);
/* A new file, open for writing; -EEXIST if there is one of that name. Closed by env_file_close. */
int env_disk_create(const char *path, int mode);
/* A file to read from, past the page cache where that is possible. */
int env_disk_open_file(const char *path);
void *env_disk_buffer(struct env_disk *disk);
void env_disk_give_back(struct env_disk *disk, void *buffer);
void env_disk_write(struct env_disk *disk, int file, void *buffer, uint32_t size, uint64_t offset,
                    void *tag);
void env_disk_read(struct env_disk *disk, int file, void *memory, uint32_t size, uint64_t offset,
                   void *tag);
void env_disk_sync(struct env_disk *disk, int file, void *tag);
void env_disk_sync_dir(struct env_disk *disk, int folder, void *tag);
/* One result; with `wait` it waits for one. False: none. */
bool env_disk_reap(struct env_disk *disk, bool wait, struct env_disk_done *done);

/*
 * Stream sockets (TCP), none of which ever blocks: -EAGAIN says that nothing can be done now, ask
 * again later. What one end has sent comes out at the other in order and once, until the connection
 * breaks: then nobody knows how much of it did. Other results: bytes, a socket or 0, else -errno.
 */
#define ENV_ADDRESS_MAX 128u
struct env_address {
	uint32_t size;
	uint8_t bytes[ENV_ADDRESS_MAX];
};
/* The address of a host by name or number. Control threads: it may have to ask the network. */
int env_socket_resolve(const char *host, uint16_t port, struct env_address *address);
/* A socket that others connect to. -EADDRINUSE: somebody listens there. */
int env_socket_listen(const struct env_address *address);
/* The next one that has connected. */
int env_socket_accept(int listener);
/* A socket on its way: it is open once env_socket_connected has said 0. */
int env_socket_connect(const struct env_address *address);
int env_socket_connected(int socket);
/* Takes some of the bytes, or all. */
ssize_t env_socket_send(int socket, const void *bytes, size_t size);
/* 0: the other end sends no more. */
ssize_t env_socket_receive(int socket, void *bytes, size_t size);
void env_socket_close(int socket);

/*
 * A line for people; level as in syslog (3 error, 4 warning, 6 info). Any thread, rate-limited.
 * env_log_of: of a module of core/log_level.h, which may leave it out; env_log: of the caller's
 * folder.
 */
void env_log_of(const char *module, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define env_log(level, ...) env_log_of(__FILE__, level, __VA_ARGS__)

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Building EAL's arguments: what was typed, what is added to it and why. */
#include "mgmt/eal_args.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/eal_memory.h"
#include "mgmt/eal_options.h"
#include "mgmt/eal_pci.h"
#include "mgmt/eal_vdev.h"

struct args_builder {
	struct eal_args *args;
	struct eal_typed_list *typed;
	const struct eal_needs *needs;
	const struct machine *machine;
	struct eal_report *report;
	int error; /* the first -ENOMEM or -E2BIG */
};

static void args_add(struct args_builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
args_add(struct args_builder *builder, const char *format, ...)
{
	struct eal_args *args = builder->args;
	char *word = NULL;
	va_list list;
	int length;

	if (args->argc >= (int)EAL_ARGS_MAX) {
		builder->error = -ENOMEM;
		return;
	}
	va_start(list, format);
	length = vasprintf(&word, format, list);
	va_end(list);
	if (length < 0) {
		builder->error = -ENOMEM;
		return;
	}
	args->word[args->argc] = word;
	args->argv[args->argc++] = word;
	args->argv[args->argc] = NULL;
}

static bool
args_typed(const struct args_builder *builder, enum eal_option option)
{
	return eal_options_find(builder->typed, option) != NULL;
}

/* The first `count` CPUs of a set. */
static void
args_first(const cpu_set_t *set, uint32_t count, cpu_set_t *first)
{
	CPU_ZERO(first);
	for (uint32_t i = 0; i < CPUS_MAX && count > 0; i++) {
		if (cpus_has(set, i)) {
			CPU_SET(i, first);
			count--;
		}
	}
}

/* CPUs that are asked for and not there, or closed to this process by its cgroup. */
static void
args_check_cpus(struct args_builder *builder, const struct eal_typed *typed)
{
	const struct lcores *lcores = &builder->args->lcores;
	const struct machine *machine = builder->machine;
	char list[256], usable_list[256];
	cpu_set_t asked, missing, closed, usable, first;
	struct eal_finding *finding;

	lcores_cpus(lcores, &asked);
	machine_usable(machine, &usable);
	CPU_ZERO(&missing);
	CPU_ZERO(&closed);
	for (uint32_t i = 0; i < CPUS_MAX; i++) {
		if (cpus_has(&asked, i) && !machine->cpu[i].online) {
			CPU_SET(i, &missing);
		} else if (cpus_has(&asked, i) && !machine->cpu[i].usable) {
			CPU_SET(i, &closed);
		}
	}
	if (cpus_count(&missing) == 0 && cpus_count(&closed) == 0) {
		return;
	}
	cpus_format(&usable, usable_list, sizeof(usable_list));
	if (cpus_count(&asked) > machine->usable_count) {
		finding = eal_report_add(builder->report, EAL_ERROR, typed->where,
		                         "%u cores asked, %u usable", cpus_count(&asked),
		                         machine->usable_count);
	} else {
		CPU_OR(&first, &missing, &closed);
		finding = eal_report_add(builder->report, EAL_ERROR, typed->where,
		                         "CPU %s cannot be used",
		                         cpus_format(&first, list, sizeof(list)));
	}
	if (cpus_count(&missing) > 0) {
		eal_report_detail(finding, "CPU %s: not there (usable: %s)",
		                  cpus_format(&missing, list, sizeof(list)), usable_list);
	} else {
		eal_report_detail(finding,
		                  "CPU %s: there, but closed to this process's cgroup (open: %s)",
		                  cpus_format(&closed, list, sizeof(list)), usable_list);
	}
	args_first(&usable, lcores->count, &first);
	cpus_format(&first, list, sizeof(list));
	if (lcores->count > machine->usable_count) {
		eal_report_help(finding,
		                "use -l %s, or let lcores share a CPU: --lcores '(0-%u)@%u'", list,
		                lcores->count - 1, cpus_first(&usable));
	} else {
		eal_report_help(finding, "use -l %s", list);
	}
}

/* Things that work, but not as one may think. */
static void
args_note_cpus(struct args_builder *builder, const char *where)
{
	const struct lcores *lcores = &builder->args->lcores;
	const struct machine *machine = builder->machine;
	cpu_set_t all, outside;
	uint32_t sharing = 0, floating = 0;
	char list[256];

	lcores_cpus(lcores, &all);
	CPU_ZERO(&outside);
	for (uint32_t i = 0; i < machine->cpu_end; i++) {
		const struct machine_cpu *cpu = &machine->cpu[i];

		if (cpus_has(&all, i) && cpu->usable && !cpu->allowed && !cpu->isolated) {
			CPU_SET(i, &outside);
		}
	}
	for (uint32_t i = 0; i < lcores->count; i++) {
		sharing += lcores->lcore[i].shares_cpu;
		floating += cpus_count(&lcores->lcore[i].cpus) > 1;
	}
	if (cpus_count(&outside) > 0) {
		eal_report_detail(eal_report_add(builder->report, EAL_NOTE, where,
		                                 "CPU %s is outside the affinity this process was "
		                                 "started with, and used all the same",
		                                 cpus_format(&outside, list, sizeof(list))),
		                  "EAL pins its lcores itself; taskset and CPUAffinity= do not "
		                  "hold it back");
	}
	if (floating > 0) {
		eal_report_help(eal_report_add(builder->report, EAL_NOTE, where,
		                               "%u lcore%s may be moved between CPUs by the kernel",
		                               floating, floating > 1 ? "s" : ""),
		                "give each its own: --lcores 0@0,1@1");
	} else if (sharing > 0) {
		eal_report_add(builder->report, EAL_NOTE, where,
		               "%u lcores share CPUs with others: they yield instead of spinning",
		               sharing);
	}
}

/* What -l, -c or --lcores says; the errors of it are in the report. */
static void
args_read_lcores(struct args_builder *builder, const struct eal_typed *typed)
{
	enum lcores_form form = typed->option == EAL_CORELIST   ? LCORES_LIST
	                        : typed->option == EAL_COREMASK ? LCORES_MASK
	                                                        : LCORES_MAP;
	struct lcores_problem problem;
	struct eal_finding *finding;

	if (lcores_parse(typed->value, form, &builder->args->lcores, &problem) != 0) {
		finding =
		    eal_report_add(builder->report, EAL_ERROR, typed->where, "%s", problem.message);
		if (problem.hint[0] != '\0') {
			eal_report_help(finding, "%s", problem.hint);
		}
		return;
	}
	lcores_locate(&builder->args->lcores, builder->machine);
	args_check_cpus(builder, typed);
	args_note_cpus(builder, typed->where);
}

/* Ports have a say in where lcores are chosen. */
static void
args_note_home(struct args_builder *builder, struct eal_finding *finding)
{
	const struct machine *machine = builder->machine;
	uint32_t home = builder->needs->home;
	cpu_set_t cpus;

	if (home == MACHINE_NONE || machine->node_count == 1) {
		return;
	}
	lcores_cpus(&builder->args->lcores, &cpus);
	eal_report_detail(finding,
	                  machine_node_of(machine, &cpus) == home
	                      ? "on NUMA node %u, where the ports are"
	                      : "not all on NUMA node %u, where the ports are: no CPUs there",
	                  machine->node[home].number);
}

/* One lcore per CPU under the CPU's own number where EAL's numbers reach, else numbered from 0. */
static void
args_choose_lcores(struct args_builder *builder)
{
	struct lcores *lcores = &builder->args->lcores;
	uint32_t wanted = builder->needs->lcores, cpu[LM_WORKERS_MAX];
	uint32_t count, highest = 0;
	struct eal_finding *finding;
	char text[4096];

	if (wanted > LM_WORKERS_MAX) {
		eal_report_add(builder->report, EAL_ERROR, NULL,
		               "%u lcores asked; this DPDK has %u at most", wanted, LM_WORKERS_MAX);
		return;
	}
	count = machine_pick(builder->machine, builder->needs->home, cpu,
	                     wanted > 0 ? wanted : EAL_ARGS_LCORES);
	if (count == 0) {
		eal_report_add(builder->report, EAL_ERROR, NULL, "no CPU is open to this process");
		return;
	}
	wanted = wanted > 0 ? wanted : count;
	for (uint32_t i = 0; i < count; i++) {
		highest = cpu[i] > highest ? cpu[i] : highest;
	}
	lcores_assign(lcores, wanted, cpu, count);
	if (wanted == count && highest < LM_WORKERS_MAX) {
		struct lcores_problem problem;
		cpu_set_t set;

		lcores_cpus(lcores, &set);
		cpus_format(&set, text, sizeof(text));
		lcores_parse(text, LCORES_LIST, lcores, &problem);
		args_add(builder, "-l");
	} else {
		lcores_map(lcores, text, sizeof(text));
		args_add(builder, "--lcores");
	}
	args_add(builder, "%s", text);
	lcores->main = lcores->lcore[0].number;
	lcores_locate(lcores, builder->machine);
	finding = eal_report_add(builder->report, EAL_NOTE, NULL, "lcores: %s %s (of %u CPUs open)",
	                         builder->args->word[builder->args->argc - 2], text,
	                         builder->machine->allowed_count);
	args_note_home(builder, finding);
	args_note_cpus(builder, NULL);
}

static void
args_lcores(struct args_builder *builder)
{
	static const enum eal_option forms[] = { EAL_CORELIST, EAL_COREMASK, EAL_LCORES };
	const struct eal_typed *main_lcore = eal_options_find(builder->typed, EAL_MAIN_LCORE);
	struct lcores *lcores = &builder->args->lcores;
	const struct eal_typed *first = NULL;

	for (uint32_t i = 0; i < builder->typed->count; i++) {
		const struct eal_typed *typed = &builder->typed->typed[i];

		for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
			if (typed->option != forms[k]) {
				continue;
			}
			if (first != NULL) {
				eal_report_help(eal_report_add(builder->report, EAL_ERROR,
				                               typed->where,
				                               "lcores are named twice: %s and %s",
				                               first->where, typed->where),
				                "leave one of them out");
				return;
			}
			first = typed;
		}
	}
	if (first != NULL) {
		args_read_lcores(builder, first);
	} else {
		args_choose_lcores(builder);
	}
	if (main_lcore != NULL && lcores->count > 0) {
		char list[256], *end;
		unsigned long number = strtoul(main_lcore->value, &end, 10);

		if (*end != '\0' || end == main_lcore->value || number >= LM_WORKERS_MAX ||
		    lcores_find(lcores, (uint32_t)number) == NULL) {
			eal_report_help(
			    eal_report_add(builder->report, EAL_ERROR, main_lcore->where,
			                   "the main lcore is none of the lcores"),
			    "the lcores are %s", lcores_numbers(lcores, list, sizeof(list)));
			return;
		}
		lcores->main = (uint32_t)number;
	}
}

static void
args_memory(struct args_builder *builder)
{
	struct eal_memory memory;
	struct eal_args *args = builder->args;

	eal_memory_decide(&memory, builder->typed, builder->needs, builder->machine,
	                  builder->report);
	args->hugepages = memory.hugepages;
	args->memory_mb = memory.memory_mb;
	if (memory.add_no_huge) {
		args_add(builder, "--no-huge");
	}
	if (memory.add_memory) {
		args_add(builder, "-m");
		args_add(builder, "%lu", memory.memory_mb);
	}
	if (memory.add_in_memory) {
		args_add(builder, "--in-memory");
	}
	if (memory.add_no_shconf) {
		args_add(builder, "--no-shconf");
	}
}

/* A device of -a: it should be there, and not be the kernel's. */
static void
args_check_allow(struct args_builder *builder, const struct eal_typed *typed)
{
	const struct machine_nic *nic = NULL;
	struct eal_finding *finding;
	char pci[32];

	if (!eal_pci_address(typed->value, pci, sizeof(pci))) {
		return;
	}
	for (uint32_t i = 0; i < builder->machine->nic_count; i++) {
		if (strcmp(builder->machine->nic[i].pci, pci) == 0) {
			nic = &builder->machine->nic[i];
		}
	}
	if (nic == NULL) {
		/* Not an error: naming a device that is not there is a known way to have none. */
		eal_report_add(builder->report, EAL_NOTE, typed->where,
		               "there is no network device at %s", pci);
		return;
	}
	if (eal_pci_bound(nic)) {
		if (!builder->machine->root && strcmp(nic->driver, "vfio-pci") != 0) {
			eal_report_help(eal_report_add(builder->report, EAL_ERROR, typed->where,
			                               "%s through %s needs root", pci,
			                               nic->driver),
			                "run as root, or bind it to vfio-pci");
		}
		return;
	}
	if (eal_pci_bifurcated(nic)) {
		return;
	}
	finding = eal_report_add(builder->report, EAL_ERROR, typed->where,
	                         "%s belongs to the kernel (driver %s%s%s)", pci,
	                         nic->driver[0] != '\0' ? nic->driver : "none",
	                         nic->interface[0] != '\0' ? ", interface " : "", nic->interface);
	eal_report_help(finding,
	                "dpdk-devbind.py -b vfio-pci %s; the kernel loses it, so never the one "
	                "you are connected through",
	                pci);
}

static void
args_pci(struct args_builder *builder)
{
	const struct eal_typed *allow = eal_options_find(builder->typed, EAL_ALLOW);
	const struct eal_typed *block = eal_options_find(builder->typed, EAL_BLOCK);
	const struct machine *machine = builder->machine;

	builder->args->pci = !args_typed(builder, EAL_NO_PCI);
	if (allow != NULL && block != NULL) {
		eal_report_help(eal_report_add(builder->report, EAL_ERROR, block->where,
		                               "-a and -b exclude each other"),
		                "-a alone leaves all other devices out");
	}
	for (uint32_t i = 0; i < builder->typed->count; i++) {
		const struct eal_typed *typed = &builder->typed->typed[i];

		if (typed->option == EAL_ALLOW && builder->args->pci) {
			args_check_allow(builder, typed);
		}
	}
	if (allow != NULL || block != NULL || !builder->args->pci) {
		return;
	}
	for (uint32_t i = 0; i < machine->nic_count; i++) {
		if (eal_pci_bound(&machine->nic[i])) {
			eal_report_add(builder->report, EAL_NOTE, NULL,
			               "PCI devices are looked at: %s is bound to %s",
			               machine->nic[i].pci, machine->nic[i].driver);
			return;
		}
	}
	args_add(builder, "--no-pci");
	builder->args->pci = false;
	eal_report_help(eal_report_add(builder->report, EAL_NOTE, NULL,
	                               "PCI devices are left alone (--no-pci): none is bound to "
	                               "a user-space driver"),
	                "to use a NIC: dpdk-devbind.py -b vfio-pci DEVICE, then -a DEVICE");
}

static bool
args_word_in(const char *word, const char *const *names)
{
	while (*names != NULL && strcmp(*names, word) != 0) {
		names++;
	}
	return *names != NULL;
}

/* Values that EAL takes from a list of words. */
static void
args_check_word(struct args_builder *builder, enum eal_option option, const char *const *words)
{
	const struct eal_typed *typed = eal_options_find(builder->typed, option);
	struct eal_finding *finding;

	if (typed == NULL || args_word_in(typed->value, words)) {
		return;
	}
	finding = eal_report_add(builder->report, EAL_ERROR, typed->where,
	                         "\"%s\" is not a value of this option", typed->value);
	for (uint32_t i = 0; words[i] != NULL; i++) {
		size_t used = strlen(finding->help);

		snprintf(finding->help + used, sizeof(finding->help) - used, "%s%s",
		         i > 0 ? ", " : "one of ", words[i]);
	}
}

static void
args_values(struct args_builder *builder)
{
	static const char *const types[] = { "primary", "secondary", "auto", NULL };
	static const char *const modes[] = { "pa", "va", NULL };
	static const char *const interrupts[] = { "legacy", "msi", "msix", NULL };
	static const char *const widths[] = { "0", "64", "128", "256", "512", NULL };
	const struct eal_typed *type = eal_options_find(builder->typed, EAL_PROC_TYPE);

	args_check_word(builder, EAL_PROC_TYPE, types);
	args_check_word(builder, EAL_IOVA_MODE, modes);
	args_check_word(builder, EAL_VFIO_INTR, interrupts);
	args_check_word(builder, EAL_SIMD_BITWIDTH, widths);
	if (type != NULL && strcmp(type->value, "secondary") == 0) {
		eal_report_help(eal_report_add(builder->report, EAL_ERROR, type->where,
		                               "the engine runs as a primary process only"),
		                "leave --proc-type out");
	}
	for (uint32_t i = 0; i < builder->typed->count; i++) {
		if (builder->typed->typed[i].option == EAL_VDEV) {
			eal_vdev_check(&builder->typed->typed[i], builder->machine,
			               args_typed(builder, EAL_DRIVER), builder->report);
		}
	}
}

static void
args_files(struct args_builder *builder)
{
	const struct eal_typed *prefix = eal_options_find(builder->typed, EAL_FILE_PREFIX);
	struct eal_args *args = builder->args;

	if (prefix != NULL) {
		snprintf(args->file_prefix, sizeof(args->file_prefix), "%s", prefix->value);
		if (prefix->value[0] == '\0' || strchr(prefix->value, '/') != NULL) {
			eal_report_add(builder->report, EAL_ERROR, prefix->where,
			               "a file prefix is a name without \"/\"");
		}
	} else {
		args->own_prefix = true;
		snprintf(args->file_prefix, sizeof(args->file_prefix), "lodemill-%u",
		         builder->needs->process);
		args_add(builder, "--file-prefix=%s", args->file_prefix);
	}
	/* EAL is talkative about what is normal here; errors still show. */
	if (!args_typed(builder, EAL_LOG_LEVEL)) {
		args_add(builder, "--log-level=lib.eal:error");
		args_add(builder, "--log-level=lib.telemetry:error");
	}
}

int
eal_args_build(struct eal_args *args, int argc, char *const *argv, const struct eal_needs *needs,
               const struct machine *machine, struct eal_report *report)
{
	struct args_builder builder = {
		.args = args, .needs = needs, .machine = machine, .report = report
	};

	memset(args, 0, sizeof(*args));
	builder.typed = calloc(1, sizeof(*builder.typed));
	if (builder.typed == NULL) {
		return -ENOMEM;
	}
	eal_options_read(builder.typed, argc, argv, report);
	args_add(&builder, "%s", needs->program != NULL ? needs->program : "lodemill");
	for (int i = 0; i < argc; i++) {
		args_add(&builder, "%s", argv[i]);
	}
	args_lcores(&builder);
	args_memory(&builder);
	args_pci(&builder);
	args_values(&builder);
	args_files(&builder);
	free(builder.typed);
	if (builder.error != 0) {
		return builder.error;
	}
	return report->errors > 0 ? -EINVAL : 0;
}

void
eal_args_free(struct eal_args *args)
{
	for (int i = 0; i < args->argc; i++) {
		free(args->word[i]);
		args->word[i] = NULL;
		args->argv[i] = NULL;
	}
	args->argc = 0;
}

char *
eal_args_line(const struct eal_args *args, char *text, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_=./,:@+%";
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < args->argc && used < size; i++) {
		const char *word = args->word[i];
		const char *quote = *word != '\0' && word[strspn(word, plain)] == '\0' ? "" : "'";

		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", i > 0 ? " " : "",
		                         quote, word, quote);
	}
	return text;
}

void
eal_args_clean(const struct eal_args *args, const char *runtime_dir)
{
	const char *name = runtime_dir != NULL ? strrchr(runtime_dir, '/') : NULL;
	struct dirent *entry;
	DIR *folder;

	if (!args->own_prefix || name == NULL || strcmp(name + 1, args->file_prefix) != 0) {
		return;
	}
	folder = opendir(runtime_dir);
	if (folder == NULL) {
		return;
	}
	while ((entry = readdir(folder)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			unlinkat(dirfd(folder), entry->d_name, 0);
		}
	}
	closedir(folder);
	rmdir(runtime_dir);
}

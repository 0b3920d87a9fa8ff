/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at a shared object before it is loaded. Offsets and counts are the file's: none is
 * believed. */
#include "core/plugin_lint.h"

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define LINT_MACHINE EM_X86_64
#define LINT_MACHINE_NAME "x86-64"
#elif defined(__aarch64__)
#define LINT_MACHINE EM_AARCH64
#define LINT_MACHINE_NAME "aarch64"
#else
#error "which machine do plugins for this one name?"
#endif

/* Headers of segments, and of sections. */
#define LINT_HEADERS_MAX 1024u

struct object {
	const uint8_t *bytes;
	size_t size;
	Elf64_Ehdr head;
	struct plugin_lint *lint;
};

/* Always false. */
static bool __attribute__((format(printf, 3, 4)))
refuse(struct plugin_lint *lint, const char *hint, const char *format, ...)
{
	va_list args;

	lint->hint = hint;
	va_start(args, format);
	vsnprintf(lint->why, sizeof(lint->why), format, args);
	va_end(args);
	return false;
}

static bool
is_inside(const struct object *object, uint64_t offset, uint64_t size)
{
	return offset <= object->size && size <= object->size - offset;
}

/* The i-th of a table of things of `size` bytes; it is known to be inside. */
static void
copy_of(const struct object *object, void *to, uint64_t offset, uint64_t i, size_t size)
{
	memcpy(to, object->bytes + offset + i * size, size);
}

static bool
is_truncated(struct object *object, uint64_t end)
{
	return refuse(object->lint, "build it again, or copy it whole",
	              "is cut off: it has %zu bytes, and says that it has %llu", object->size,
	              (unsigned long long)end);
}

static bool
check_head(struct object *object)
{
	static const char built[] = "name what was built with -shared -fPIC";
	Elf64_Ehdr *head = &object->head;

	if (object->size < EI_NIDENT || memcmp(object->bytes, ELFMAG, SELFMAG) != 0) {
		return refuse(object->lint, built, "is not a shared object (no ELF file)");
	}
	if (object->bytes[EI_CLASS] != ELFCLASS64 || object->bytes[EI_DATA] != ELFDATA2LSB) {
		return refuse(object->lint, "build it for this machine",
		              "is not for a 64-bit little-endian machine");
	}
	if (object->size < sizeof(*head)) {
		return is_truncated(object, sizeof(*head));
	}
	memcpy(head, object->bytes, sizeof(*head));
	if (head->e_machine != LINT_MACHINE) {
		return refuse(
		    object->lint, "build it for this machine",
		    "is for another machine (ELF number %u), this one is " LINT_MACHINE_NAME,
		    head->e_machine);
	}
	if (head->e_type != ET_DYN) {
		return refuse(object->lint, built, "is not a shared object (ELF type %u)",
		              head->e_type);
	}
	if (head->e_phentsize != sizeof(Elf64_Phdr) || head->e_phnum == 0 ||
	    head->e_phnum > LINT_HEADERS_MAX || head->e_shnum > LINT_HEADERS_MAX ||
	    (head->e_shnum > 0 && head->e_shentsize != sizeof(Elf64_Shdr))) {
		return refuse(object->lint, "build it again", "has headers that cannot be right");
	}
	return true;
}

/* What its headers say is there is there. Sections come last: where they are, all is. */
static bool
check_whole(struct object *object)
{
	const Elf64_Ehdr *head = &object->head;
	uint64_t segments = (uint64_t)head->e_phnum * sizeof(Elf64_Phdr);
	uint64_t sections = (uint64_t)head->e_shnum * sizeof(Elf64_Shdr);

	if (!is_inside(object, head->e_phoff, segments)) {
		return is_truncated(object, head->e_phoff + segments);
	}
	for (uint32_t i = 0; i < head->e_phnum; i++) {
		Elf64_Phdr segment;

		copy_of(object, &segment, head->e_phoff, i, sizeof(segment));
		if (segment.p_type != PT_NULL &&
		    !is_inside(object, segment.p_offset, segment.p_filesz)) {
			return is_truncated(object, segment.p_offset + segment.p_filesz);
		}
	}
	return is_inside(object, head->e_shoff, sections) ||
	       is_truncated(object, head->e_shoff + sections);
}

/* False: it has none. */
static bool
find_segment(const struct object *object, uint32_t type, Elf64_Phdr *segment)
{
	for (uint32_t i = 0; i < object->head.e_phnum; i++) {
		copy_of(object, segment, object->head.e_phoff, i, sizeof(*segment));
		if (segment->p_type == type) {
			return true;
		}
	}
	return false;
}

static bool
check_stack(struct object *object)
{
	Elf64_Phdr stack;

	if (find_segment(object, PT_GNU_STACK, &stack) && (stack.p_flags & PF_X) == 0) {
		return true;
	}
	return refuse(object->lint,
	              "link it with -z noexecstack; files in assembler need a .note.GNU-stack",
	              "wants a stack that code can run on");
}

/* Where a virtual address stands in the file; UINT64_MAX: nowhere. */
static uint64_t
offset_of(const struct object *object, uint64_t address)
{
	for (uint32_t i = 0; i < object->head.e_phnum; i++) {
		Elf64_Phdr segment;

		copy_of(object, &segment, object->head.e_phoff, i, sizeof(segment));
		if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
		    address - segment.p_vaddr < segment.p_filesz) {
			return segment.p_offset + (address - segment.p_vaddr);
		}
	}
	return UINT64_MAX;
}

/* The text that a dynamic entry means; "" if there is none. Bounded by the end of the file. */
static const char *
text_of(const struct object *object, uint64_t table, uint64_t at)
{
	uint64_t offset = offset_of(object, table);
	const char *text;

	if (offset == UINT64_MAX || !is_inside(object, offset, 1) || at >= object->size - offset) {
		return "";
	}
	text = (const char *)object->bytes + offset + at;
	return memchr(text, '\0', object->size - offset - at) == NULL ? "" : text;
}

/* What the dynamic section says of it. */
struct dynamic {
	uint64_t flags, flags_1, strings;
	uint64_t path[2]; /* where it finds other objects, RPATH and RUNPATH */
	bool has_textrel;
};

static bool
read_dynamic(struct object *object, struct dynamic *dynamic)
{
	Elf64_Phdr segment;
	Elf64_Dyn entry;

	memset(dynamic, 0, sizeof(*dynamic));
	if (!find_segment(object, PT_DYNAMIC, &segment)) {
		return refuse(object->lint, "name what was built with -shared -fPIC",
		              "is not a shared object (nothing to link it by)");
	}
	for (uint64_t i = 0; i < segment.p_filesz / sizeof(entry); i++) {
		copy_of(object, &entry, segment.p_offset, i, sizeof(entry));
		switch (entry.d_tag) {
		case DT_NULL:
			return true;
		case DT_FLAGS:
			dynamic->flags = entry.d_un.d_val;
			break;
		case DT_FLAGS_1:
			dynamic->flags_1 = entry.d_un.d_val;
			break;
		case DT_TEXTREL:
			dynamic->has_textrel = true;
			break;
		case DT_STRTAB:
			dynamic->strings = entry.d_un.d_ptr;
			break;
		case DT_RPATH:
			dynamic->path[0] = entry.d_un.d_val;
			break;
		case DT_RUNPATH:
			dynamic->path[1] = entry.d_un.d_val;
			break;
		default:
			break;
		}
	}
	return true;
}

static bool
check_dynamic(struct object *object)
{
	struct dynamic dynamic;

	if (!read_dynamic(object, &dynamic)) {
		return false;
	}
	if (dynamic.has_textrel || (dynamic.flags & DF_TEXTREL) != 0) {
		return refuse(object->lint, "compile all of it with -fPIC",
		              "has code that would have to be written to (TEXTREL)");
	}
	/* It is loaded from a copy, which stands in no folder. */
	for (uint32_t i = 0; i < 2; i++) {
		if (dynamic.path[i] != 0 &&
		    strstr(text_of(object, dynamic.strings, dynamic.path[i]), "ORIGIN") != NULL) {
			return refuse(object->lint,
			              "link what it needs into it, or give -rpath a whole path",
			              "looks for other libraries beside itself ($ORIGIN)");
		}
	}
	if ((dynamic.flags_1 & DF_1_NODELETE) != 0) {
		object->lint->why_stay = "is linked with -z nodelete";
	}
	return true;
}

/* Symbols of which a process has one for good: C++ makes them of statics in inline functions. */
static void
look_for_unique(struct object *object)
{
	for (uint32_t i = 0; i < object->head.e_shnum; i++) {
		Elf64_Shdr section;

		copy_of(object, &section, object->head.e_shoff, i, sizeof(section));
		if (section.sh_type != SHT_DYNSYM ||
		    !is_inside(object, section.sh_offset, section.sh_size)) {
			continue;
		}
		for (uint64_t s = 0; s < section.sh_size / sizeof(Elf64_Sym); s++) {
			Elf64_Sym symbol;

			copy_of(object, &symbol, section.sh_offset, s, sizeof(symbol));
			if (ELF64_ST_BIND(symbol.st_info) == STB_GNU_UNIQUE &&
			    symbol.st_shndx != SHN_UNDEF) {
				object->lint->why_stay =
				    "has symbols that are unique in the process "
				    "(STB_GNU_UNIQUE; -fno-gnu-unique builds it without)";
				return;
			}
		}
	}
}

bool
plugin_lint(const void *bytes, size_t size, struct plugin_lint *lint)
{
	struct object object = { .bytes = bytes, .size = size, .lint = lint };

	memset(lint, 0, sizeof(*lint));
	if (!check_head(&object) || !check_whole(&object) || !check_stack(&object) ||
	    !check_dynamic(&object)) {
		return false;
	}
	look_for_unique(&object);
	return true;
}

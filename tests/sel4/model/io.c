// SPDX-License-Identifier: MIT
#include "model.h"

/* The IO space of a device: which frames it reaches, and where.  A frame is
 * mapped by a capability that is mapped nowhere else, and is unmapped with it.
 * Manual: 8.2 x86-Specific I/O, I/O Space. */

#define ENTRIES 4096u

static struct entry {
	const struct object *frame; /* NULL: there is none */
	uint64_t at;
	seL4_CapRights_t rights;
} entries[ENTRIES];

static struct entry *entry_of(uint64_t at)
{
	return &entries[(at >> 12) % ENTRIES];
}

/* Into the kernel, with a capability that is not mapped yet and a space, whose
 * `level` becomes that of the page table missing there; 0: none.  A space that
 * is of no device has no badge. */
static bool enter(seL4_CPtr address, enum object_type type, seL4_CPtr root,
		  uint64_t at, struct cap **cap, struct object **space)
{
	struct cap *io;

	model_enter();
	*cap = model_look(address, type);
	io = model_look(root, IOSPACE);
	if (!*cap || (*cap)->vspace || !io || !io->badge)
		return false;
	*space = io->object;
	(*space)->level = 3;
	while ((*space)->level && model_has_table(*space, at, (*space)->level))
		(*space)->level--;
	return true;
}

seL4_Error seL4_X86_IOPageTable_Map(seL4_CPtr table, seL4_CPtr root,
				    seL4_Word at)
{
	struct object *space;
	struct cap *cap;

	if (!enter(table, TABLE, root, at, &cap, &space) || cap->object->level)
		return model_leave(seL4_InvalidCapability);
	if (!space->level)
		model_wrong("a device's page table, and none is missing");
	model_add_table(cap, space, at, space->level);
	return model_leave(seL4_NoError);
}

seL4_Error seL4_X86_Page_MapIO(seL4_CPtr page, seL4_CPtr root,
			       seL4_CapRights_t rights, seL4_Word at)
{
	struct object *space;
	struct cap *cap;

	if (!enter(page, FRAME, root, at, &cap, &space) ||
	    cap->object->size != 4096)
		return model_leave(seL4_InvalidCapability);
	if (space->level)
		return model_leave(seL4_FailedLookup);
	if (entry_of(at)->frame)
		return model_leave(seL4_DeleteFirst);
	rights.read &= cap->rights.read;
	rights.write &= cap->rights.write;
	if (!rights.read && !rights.write)
		return model_leave(seL4_InvalidArgument);
	*entry_of(at) = (struct entry){ cap->object, at >> 12, rights };
	cap->vspace = space;
	cap->mapped = at;
	return model_leave(seL4_NoError);
}

void model_unmap_io(struct cap *cap)
{
	if (cap->object->type == TABLE) /* a cache may have it: no flush */
		model_wrong("a page table goes that a device may be using");
	entry_of(cap->mapped)->frame = NULL;
}

int64_t model_device_finds(uint64_t at, bool write)
{
	const struct entry *entry = entry_of(at);

	if (!entry->frame || entry->at != at >> 12 ||
	    !(write ? entry->rights.write : entry->rights.read))
		return -1;
	return (int64_t)(entry->frame->at + at % 4096);
}

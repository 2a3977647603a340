// SPDX-License-Identifier: MIT
#include "model.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int model_memory;
uint64_t model_base;
static uint8_t page_prot[MODEL_SIZE >> 12];

#define GIBIBYTE (1ull << 30)

/* The addresses, and nothing there; of physical memory 64 MiB, and a device. */
void model_memory_start(void)
{
	void *at = mmap(NULL, MODEL_SIZE + GIBIBYTE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	model_memory = memfd_create("model", 0);
	if (at == MAP_FAILED || ftruncate(model_memory, 256 << 20) != 0)
		model_wrong("the system has no memory for it");
	model_base = ((uint64_t)at + GIBIBYTE - 1) / GIBIBYTE * GIBIBYTE;
}

static uint8_t *prot_of(uint64_t at)
{
	static uint8_t none;

	if (at - model_base < MODEL_SIZE)
		return &page_prot[(at - model_base) >> 12];
	none = 0;
	return &none;
}

uint8_t model_prot(uint64_t at)
{
	return *prot_of(at);
}

/* ---- page tables --------------------------------------------------------- */

bool model_has_table(const struct object *space, uint64_t at, int level)
{
	int shift = 12 + 9 * level;

	for (const struct table *t = space->tables; t; t = t->next)
		if (t->level == level && t->base == at >> shift)
			return true;
	return false;
}

void model_add_table(struct cap *cap, struct object *space, uint64_t at,
		     int level)
{
	struct table *table = calloc(1, sizeof(*table));

	table->level = level;
	table->base = at >> (12 + 9 * level);
	table->next = space->tables;
	space->tables = table;
	cap->vspace = space;
}

static seL4_Error map_table(seL4_CPtr address, seL4_CPtr root, uint64_t at,
			    int level)
{
	struct cap *cap, *vspace;

	model_enter();
	cap = model_look(address, TABLE);
	vspace = model_look(root, VSPACE);
	if (!cap || !vspace || cap->object->level != level || cap->vspace)
		return model_leave(seL4_InvalidCapability);
	if (level < 3 && !model_has_table(vspace->object, at, level + 1))
		return model_leave(seL4_FailedLookup);
	if (model_has_table(vspace->object, at, level))
		return model_leave(seL4_DeleteFirst);
	model_add_table(cap, vspace->object, at, level);
	return model_leave(seL4_NoError);
}

#define TABLE_OF(call, level)                                                  \
	seL4_Error call(seL4_CPtr table, seL4_CPtr vspace, seL4_Word at,       \
			seL4_X86_VMAttributes attributes)                      \
	{                                                                      \
		(void)attributes;                                              \
		return map_table(table, vspace, at, level);                    \
	}

TABLE_OF(seL4_X86_PDPT_Map, 3)
TABLE_OF(seL4_X86_PageDirectory_Map, 2)
TABLE_OF(seL4_X86_PageTable_Map, 1)

seL4_Error seL4_X86_ASIDPool_Assign(seL4_CPtr pool, seL4_CPtr vspace)
{
	(void)pool, (void)vspace;
	return seL4_NoError;
}

/* ---- pages --------------------------------------------------------------- */

void model_unmap(struct cap *cap)
{
	if (!cap->vspace)
		return;
	if (cap->vspace->type == IOSPACE) {
		model_unmap_io(cap);
	} else if (cap->object->type == FRAME) {
		*prot_of(cap->mapped) = 0;
		mmap((void *)cap->mapped, cap->object->size, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		     -1, 0);
	}
	cap->vspace = NULL;
}

/* Is the table there in which such a page is entered, and free? */
static seL4_Error find_entry(const struct object *vspace, uint64_t at,
			     uint64_t size)
{
	if (size == 4096)
		return model_has_table(vspace, at, 1) ? seL4_NoError
						      : seL4_FailedLookup;
	if (!model_has_table(vspace, at, 2))
		return seL4_FailedLookup;
	return model_has_table(vspace, at, 1) ? seL4_DeleteFirst : seL4_NoError;
}

static void map_frame(struct cap *cap, struct object *vspace, uint64_t at,
		      int prot)
{
	if (*prot_of(at) && !cap->vspace)
		model_wrong("a page is mapped over another");
	if (mmap((void *)at, cap->object->size, prot, MAP_SHARED | MAP_FIXED,
		 model_memory, (off_t)cap->object->at) == MAP_FAILED)
		model_wrong("a page cannot be mapped");
	*prot_of(at) = (uint8_t)prot;
	cap->vspace = vspace;
	cap->mapped = at;
}

seL4_Error seL4_X86_Page_Map(seL4_CPtr page, seL4_CPtr root, seL4_Word at,
			     seL4_CapRights_t rights,
			     seL4_X86_VMAttributes attributes)
{
	struct cap *cap, *vspace;
	seL4_Error error;
	int prot;

	(void)attributes;
	model_enter();
	cap = model_look(page, FRAME);
	vspace = model_look(root, VSPACE);
	if (!cap || !vspace)
		return model_leave(seL4_InvalidCapability);
	if (at % cap->object->size)
		return model_leave(seL4_AlignmentError);
	if (cap->vspace && (cap->vspace != vspace->object || cap->mapped != at))
		return model_leave(seL4_InvalidArgument);
	error = find_entry(vspace->object, at, cap->object->size);
	if (error)
		return model_leave(error);
	prot = (rights.read && cap->rights.read ? PROT_READ : 0) |
	       (rights.write && cap->rights.write ? PROT_WRITE : 0);
	map_frame(cap, vspace->object, at, prot);
	return model_leave(seL4_NoError);
}

seL4_Error seL4_X86_Page_Unmap(seL4_CPtr page)
{
	struct cap *cap;

	model_enter();
	cap = model_look(page, FRAME);
	if (!cap)
		return model_leave(seL4_InvalidCapability);
	model_unmap(cap);
	return model_leave(seL4_NoError);
}

seL4_X86_Page_GetAddress_t seL4_X86_Page_GetAddress(seL4_CPtr page)
{
	seL4_X86_Page_GetAddress_t result = { seL4_InvalidCapability, 0 };
	struct cap *cap;

	model_enter();
	cap = model_look(page, FRAME);
	if (cap)
		result = (seL4_X86_Page_GetAddress_t){ 0, cap->object->at };
	model_leave(seL4_NoError);
	return result;
}

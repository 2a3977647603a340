// SPDX-License-Identifier: MIT
#include "model.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pthread_mutex_t model_lock = PTHREAD_MUTEX_INITIALIZER;
struct object model_root = { .type = CNODE, .bits = 16 };

void model_wrong(const char *format, ...)
{
	va_list arguments;

	fputs("model: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

void (*model_before_call)(void), (*model_between_children)(void);

static void call_hook(void (**hook)(void))
{
	static __thread bool inside;
	void (*call)(void) = __atomic_load_n(hook, __ATOMIC_ACQUIRE);

	if (call && !inside) {
		inside = true;
		call();
		inside = false;
	}
}

void model_enter(void)
{
	call_hook(&model_before_call);
	pthread_mutex_lock(&model_lock);
}

seL4_Error model_leave(seL4_Error error)
{
	pthread_mutex_unlock(&model_lock);
	return error;
}

/* ---- slots --------------------------------------------------------------- */

struct cap *model_slot(struct object *cnode, uint64_t index)
{
	if (!cnode || cnode->type != CNODE || index >> cnode->bits)
		return NULL;
	return &cnode->slot[index];
}

/*
 * Whoever is looked up is invoked.  An endpoint in the place of something else
 * would be sent to, and the caller would wait for whoever receives from it.
 */
struct cap *model_look(uint64_t address, enum object_type type)
{
	struct cap *cap = model_slot(model_self->cspace, address);

	if (!cap || !cap->object)
		return NULL;
	if (cap->object->type == ENDPOINT && type != ENDPOINT)
		model_wrong("an endpoint is invoked as another object: "
			    "this would wait for ever");
	return cap->object->type == type ? cap : NULL;
}

static struct cap *slot_of(uint64_t root, uint64_t index, unsigned int depth)
{
	struct cap *cap = model_look(root, CNODE);

	if (!cap || (depth != seL4_WordBits &&
		     depth != (unsigned int)cap->object->bits))
		return NULL;
	return model_slot(cap->object, index);
}

/* ---- derivation ---------------------------------------------------------- */

static void insert_after(struct cap *at, struct cap *new)
{
	new->prev = at;
	new->next = at->next;
	if (at->next)
		at->next->prev = new;
	at->next = new;
}

static void unlink_cap(struct cap *cap)
{
	if (cap->prev)
		cap->prev->next = cap->next;
	if (cap->next)
		cap->next->prev = cap->prev;
	memset(cap, 0, sizeof(*cap));
}

/* Capabilities are in one order, in which each is followed by those derived
 * from it.  Copies of a copy are siblings. */
static bool is_child(const struct cap *of, const struct cap *cap)
{
	const struct object *a = of->object, *b = cap->object;

	if (!of->original)
		return false;
	if (a->type == UNTYPED)
		return b->at >= a->at && b->at + b->size <= a->at + a->size &&
		       a->device == b->device;
	if (a->type == ENDPOINT && of->badge)
		return a == b && of->badge == cap->badge;
	return a == b;
}

uint32_t model_children(const struct cap *cap)
{
	const struct cap *at = cap->next;
	uint32_t count = 0;

	for (; at && at->object && is_child(cap, at); at = at->next)
		count++;
	return count;
}

static bool has_children(const struct cap *cap)
{
	return cap->next && cap->next->object && is_child(cap, cap->next);
}

void model_derive(struct cap *from, struct cap *to)
{
	*to = *from;
	to->vspace = NULL;
	to->original = false;
	insert_after(from, to);
}

void model_delete(struct cap *cap)
{
	if (!cap->object)
		return;
	model_unmap(cap);
	unlink_cap(cap);
}

/* ---- CNode methods ------------------------------------------------------- */

seL4_Error seL4_CNode_Mint(seL4_CPtr to_root, seL4_Word to, seL4_Uint8 to_depth,
			   seL4_CPtr from_root, seL4_Word from,
			   seL4_Uint8 from_depth, seL4_CapRights_t rights,
			   seL4_Word badge)
{
	struct cap *target, *source;

	model_enter();
	target = slot_of(to_root, to, to_depth);
	source = slot_of(from_root, from, from_depth);
	if (!target || !source || !source->object)
		return model_leave(seL4_FailedLookup);
	if (target->object)
		return model_leave(seL4_DeleteFirst);
	if (source->object->type == UNTYPED && has_children(source))
		return model_leave(seL4_RevokeFirst);
	model_derive(source, target);
	target->rights.read &= rights.read;
	target->rights.write &= rights.write;
	target->rights.grant &= rights.grant;
	target->original =
		source->object->type == ENDPOINT && badge && !source->badge;
	if (badge)
		target->badge = badge;
	return model_leave(seL4_NoError);
}

seL4_Error seL4_CNode_Copy(seL4_CPtr to_root, seL4_Word to, seL4_Uint8 to_depth,
			   seL4_CPtr from_root, seL4_Word from,
			   seL4_Uint8 from_depth, seL4_CapRights_t rights)
{
	return seL4_CNode_Mint(to_root, to, to_depth, from_root, from,
			       from_depth, rights, 0);
}

seL4_Error seL4_CNode_Move(seL4_CPtr to_root, seL4_Word to, seL4_Uint8 to_depth,
			   seL4_CPtr from_root, seL4_Word from,
			   seL4_Uint8 from_depth)
{
	struct cap *target, *source;

	model_enter();
	target = slot_of(to_root, to, to_depth);
	source = slot_of(from_root, from, from_depth);
	if (!target || !source || !source->object)
		return model_leave(seL4_FailedLookup);
	if (target->object)
		return model_leave(seL4_DeleteFirst);
	*target = *source;
	if (target->prev)
		target->prev->next = target;
	if (target->next)
		target->next->prev = target;
	memset(source, 0, sizeof(*source));
	return model_leave(seL4_NoError);
}

seL4_Error seL4_CNode_Delete(seL4_CPtr root, seL4_Word slot, seL4_Uint8 depth)
{
	struct cap *cap;

	model_enter();
	cap = slot_of(root, slot, depth);
	if (!cap)
		return model_leave(seL4_FailedLookup);
	model_delete(cap);
	return model_leave(seL4_NoError);
}

/* Child after child; others may run in between. */
seL4_Error seL4_CNode_Revoke(seL4_CPtr root, seL4_Word slot, seL4_Uint8 depth)
{
	struct cap *cap;

	model_enter();
	cap = slot_of(root, slot, depth);
	if (!cap)
		return model_leave(seL4_FailedLookup);
	while (cap->object && has_children(cap)) {
		model_delete(cap->next);
		pthread_mutex_unlock(&model_lock);
		call_hook(&model_between_children);
		pthread_mutex_lock(&model_lock);
	}
	if (cap->object && cap->object->type == UNTYPED)
		cap->object->mark = 0;
	return model_leave(seL4_NoError);
}

/* ---- objects ------------------------------------------------------------- */

struct kind {
	seL4_Word name;
	enum object_type type;
	uint64_t size; /* bytes; 0: by the number of bits */
	int level;     /* of a table */
};

static const struct kind kinds[] = {
	{ seL4_UntypedObject, UNTYPED, 0, 0 },
	{ seL4_TCBObject, TCB, 2048, 0 },
	{ seL4_EndpointObject, ENDPOINT, 16, 0 },
	{ seL4_CapTableObject, CNODE, 0, 0 },
	{ seL4_X64_PML4Object, VSPACE, 4096, 0 },
	{ seL4_X86_4K, FRAME, 4096, 0 },
	{ seL4_X86_LargePageObject, FRAME, 2ull << 20, 0 },
	{ seL4_X86_PDPTObject, TABLE, 4096, 3 },
	{ seL4_X86_PageDirectoryObject, TABLE, 4096, 2 },
	{ seL4_X86_PageTableObject, TABLE, 4096, 1 },
	{ seL4_X86_IOPageTableObject, TABLE, 4096, 0 },
#ifdef CONFIG_KERNEL_MCS
	{ seL4_ReplyObject, REPLY, 32, 0 },
	{ seL4_SchedContextObject, OTHER, 0, 0 },
#endif
};

static const struct kind *kind_of(seL4_Word type)
{
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].name == type)
			return &kinds[i];
	model_wrong("no such object: %d", (int)type);
}

static uint64_t size_of(const struct kind *kind, seL4_Word bits)
{
	if (kind->size)
		return kind->size;
	return (kind->type == CNODE ? 32ull : 1ull) << bits;
}

static struct object *make(const struct kind *kind, seL4_Word bits)
{
	struct object *object = calloc(1, sizeof(*object));

	object->type = kind->type;
	object->bits = (int)bits;
	object->level = kind->level;
	if (kind->type == CNODE)
		object->slot = calloc(1ull << bits, sizeof(struct cap));
	if (kind->type == TCB) {
		object->tcb = calloc(1, sizeof(struct tcb));
		pthread_cond_init(&object->tcb->wake, NULL);
	}
	return object;
}

/* Memory for objects is zero. */
static void place(struct object *object, const struct object *untyped,
		  uint64_t at, uint64_t size)
{
	object->at = at;
	object->size = size;
	object->device = untyped->device;
	if (object->type != UNTYPED && !object->device)
		fallocate(model_memory,
			  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			  (off_t)size);
}

seL4_Error seL4_Untyped_Retype(seL4_CPtr untyped, seL4_Word type,
			       seL4_Word bits, seL4_CPtr root,
			       seL4_Word node_index, seL4_Word node_depth,
			       seL4_Word offset, seL4_Word count)
{
	const struct kind *kind = kind_of(type);
	uint64_t each = size_of(kind, bits), at;
	struct cap *from, *cnode;

	(void)node_index;
	(void)node_depth;
	model_enter();
	from = model_look(untyped, UNTYPED);
	cnode = model_look(root, CNODE);
	if (!from || !cnode)
		return model_leave(seL4_InvalidCapability);
	for (seL4_Word i = 0; i < count; i++)
		if (!model_slot(cnode->object, offset + i) ||
		    cnode->object->slot[offset + i].object)
			return model_leave(seL4_DeleteFirst);
	if (!has_children(from))
		from->object->mark = 0;
	at = from->object->at + from->object->mark;
	at = (at + each - 1) / each * each;
	if (at + each * count > from->object->at + from->object->size)
		return model_leave(seL4_NotEnoughMemory);
	for (seL4_Word i = 0; i < count; i++, at += each) {
		struct cap *cap = &cnode->object->slot[offset + i];

		cap->object = make(kind, bits);
		place(cap->object, from->object, at, each);
		cap->rights = seL4_AllRights;
		cap->original = true;
		insert_after(from, cap);
	}
	from->object->mark = at - from->object->at;
	return model_leave(seL4_NoError);
}

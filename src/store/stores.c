// SPDX-License-Identifier: MIT
#include "store/stores.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/file/engine.h"
#include "store/file/file.h"
#include "store/file/lock.h"
#include "store/null.h"
#include "store/nvme/nvme.h"

const struct store_kind *const store_kinds[] = {
	&file_kind,
	&nvme_kind,
	&null_kind,
	NULL,
};

static const struct store_key *key_of(const struct store_kind *kind,
				      const char *name)
{
	const struct store_key *key = kind->keys;

	while (key->name && strcmp(key->name, name) != 0)
		key++;
	return key->name ? key : NULL;
}

/* "file=PATH, … or null=SIZE", cut to its size. */
static void name_kinds(char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; store_kinds[i] && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s=%s",
					 i == 0		      ? ""
					 : store_kinds[i + 1] ? ", "
							      : " or ",
					 store_kinds[i]->keys->name,
					 store_kinds[i]->keys->value);
}

/* Return the one kind that the options select.  NULL: *error says why not. */
static const struct store_kind *choose(const struct store_options *options,
				       struct store_error *error)
{
	const struct store_kind *chosen = NULL;
	char names[100];

	for (size_t i = 0; store_kinds[i]; i++) {
		const struct store_kind *kind = store_kinds[i];

		if (!store_options_get(options, kind->keys->name))
			continue;
		if (chosen) {
			store_fail(error,
				   "both %s and %s; expected one of them",
				   chosen->keys->name, kind->keys->name);
			return NULL;
		}
		chosen = kind;
	}
	if (!chosen) {
		name_kinds(names, sizeof(names));
		store_fail(error, "nothing to serve; expected %s", names);
	}
	return chosen;
}

static const struct store_kind *
choose_and_check(const struct store_options *options, struct store_error *error)
{
	const struct store_kind *kind = choose(options, error);

	for (uint32_t i = 0; kind && i < options->count; i++) {
		const char *key = options->settings[i].key;

		if (key_of(kind, key))
			continue;
		store_fail(error, "%s: %s does not take it; expected no %s",
			   key, kind->keys->name, key);
		return NULL;
	}
	return kind;
}

bool store_options_check(const struct store_options *options,
			 struct store_error *error)
{
	return choose_and_check(options, error);
}

const char *store_options_image(const struct store_options *options)
{
	for (size_t i = 0; store_kinds[i]; i++) {
		const struct store_setting *image =
			store_options_get(options, store_kinds[i]->keys->name);

		if (image)
			return image->text;
	}
	return NULL;
}

/* Larger blocks than the store has, which must consist of whole ones. */
static bool take_block_size(struct store *store, uint32_t size,
			    struct store_error *error)
{
	if (size < store->block_size)
		return store_fail(error,
				  "block-size: the disk has blocks of %u "
				  "bytes; expected at least that",
				  store->block_size);
	if (store->capacity % size != 0)
		return store_fail(error,
				  "block-size: the disk has %" PRIu64 " bytes; "
				  "expected a multiple of %u",
				  store->capacity, size);
	store->block_size = size;
	if (store->topology.physical_block < size)
		store->topology.physical_block = size;
	if (store->discard_align && store->discard_align < size)
		store->discard_align = size;
	return true;
}

struct store *store_open(const struct store_options *options,
			 struct store_error *error)
{
	const struct store_kind *kind = choose_and_check(options, error);
	struct store *store = kind ? kind->open(options, error) : NULL;

	if (!store || options->block_size == 0 ||
	    take_block_size(store, options->block_size, error))
		return store;
	store_close(store);
	return NULL;
}

void store_open_by(store_opener *opener)
{
	file_open_by(opener);
	nvme_open_no_more();
}

bool store_prepare(uint32_t threads, struct store_error *error)
{
	return file_engine_prepare(threads, error);
}

void store_go_by(enum store_way way)
{
	file_engine_choose(way);
}

const char *store_why_threads(void)
{
	return file_engine_why_threads();
}

void store_succeed(int pid)
{
	file_lock_succeed(pid);
}

bool store_resize(struct store *store, uint64_t capacity,
		  struct store_error *error)
{
	return store->ops->resize(store, capacity, error);
}

void store_close(struct store *store)
{
	if (store)
		store->ops->close(store);
}

bool store_same_image(const struct store *a, const struct store *b)
{
	return a->image && a->image == b->image;
}

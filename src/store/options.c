// SPDX-License-Identifier: MIT
#include "store/options.h"

#include <assert.h>
#include <string.h>

static uint32_t find(const struct store_options *options, const char *key)
{
	uint32_t i = 0;

	while (i < options->count && strcmp(options->settings[i].key, key) != 0)
		i++;
	return i;
}

void store_options_set(struct store_options *options,
		       const struct store_setting *setting)
{
	uint32_t i = find(options, setting->key);

	assert(i < STORE_SETTINGS_MAX);
	options->settings[i] = *setting;
	if (i == options->count)
		options->count++;
}

const struct store_setting *
store_options_get(const struct store_options *options, const char *key)
{
	uint32_t i = find(options, key);

	return i < options->count ? &options->settings[i] : NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool store_options_same(const struct store_options *a,
			const struct store_options *b)
{
	if (a->read_only != b->read_only || a->block_size != b->block_size ||
	    a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct store_setting *one = &a->settings[i];
		const struct store_setting *other =
			store_options_get(b, one->key);

		if (!other || one->size != other->size ||
		    !same_text(one->text, other->text))
			return false;
	}
	return true;
}

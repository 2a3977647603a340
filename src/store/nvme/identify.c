// SPDX-License-Identifier: MIT
#include "store/nvme/identify.h"

#include <inttypes.h>
#include <string.h>

/* Larger ones mean no limit: such a command would not fit into 32 bits. */
#define MDTS_MAX 19u

static uint16_t get16(const uint8_t *page, uint32_t at)
{
	uint16_t value;

	memcpy(&value, page + at, sizeof(value));
	return value;
}

static uint32_t get32(const uint8_t *page, uint32_t at)
{
	uint32_t value;

	memcpy(&value, page + at, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *page, uint32_t at)
{
	uint64_t value;

	memcpy(&value, page + at, sizeof(value));
	return value;
}

/* For messages, without the spaces at its end. */
static void read_model(const uint8_t *page, char model[41])
{
	uint32_t size = 40;

	for (uint32_t i = 0; i < size; i++) {
		model[i] = (char)page[24 + i];
		if (model[i] < ' ' || model[i] > '~')
			model[i] = '?';
	}
	while (size > 0 && model[size - 1] == ' ')
		size--;
	model[size] = 0;
}

/* Does a queue take entries of 2^log2 bytes? */
static bool takes_entries(uint8_t sizes, uint8_t log2)
{
	return (sizes & 15) <= log2 && log2 <= sizes >> 4;
}

bool nvme_read_controller(const uint8_t page[NVME_PAGE], const char *name,
			  struct nvme_identity *identity,
			  struct store_error *error)
{
	struct nvme_identity read = { .namespaces = get32(page, 516) };
	uint16_t optional = get16(page, 520);
	uint8_t mdts = page[77], type = page[111];

	read_model(page, read.model);
	if (type > 1)
		return store_fail(error,
				  "%s: is a controller of type %u (%s); "
				  "expected one that serves blocks",
				  name, type, read.model);
	if (!takes_entries(page[512], 6) || !takes_entries(page[513], 4))
		return store_fail(error,
				  "%s: has queues of unknown entries (%s); "
				  "expected 64 and 16 bytes",
				  name, read.model);
	read.bytes_max = mdts == 0 || mdts > MDTS_MAX
				 ? UINT64_MAX
				 : (uint64_t)NVME_PAGE << mdts;
	read.caches = page[525] & 1;
	read.discards = optional & 4;
	read.zeroes = optional & 8;
	read.tells = get32(page, 92) & NVME_TELL_NAMESPACES;
	*identity = read;
	return true;
}

/* The size of its blocks, by the format that it has been given.  0: it is none
 * that we serve. */
static uint32_t read_block(const uint8_t *page, const char *name,
			   uint32_t number, struct store_error *error)
{
	uint32_t format = (page[26] & 15u) | (page[26] >> 1 & 0x30u);
	uint32_t about = get32(page, 128 + 4 * format);
	uint32_t log2 = about >> 16 & 255;

	if (format > page[25])
		return store_fail(error,
				  "%s: namespace %u has format %u of %u; "
				  "expected one that it has",
				  name, number, format, page[25] + 1u);
	if ((about & 0xffff) != 0 || (page[29] & 7) != 0)
		return store_fail(
			error,
			"%s: namespace %u has metadata, or protection "
			"information; expected plain blocks (nvme "
			"format --ms=0)",
			name, number);
	if (log2 != 9 && log2 != 12)
		return store_fail(error,
				  "%s: namespace %u has blocks of 2^%u bytes; "
				  "expected 512 or 4096 bytes (nvme format)",
				  name, number, log2);
	return 1u << log2;
}

bool nvme_read_namespace(const uint8_t page[NVME_PAGE], const char *name,
			 uint32_t number, const struct nvme_identity *identity,
			 struct nvme_namespace *space,
			 struct store_error *error)
{
	struct nvme_namespace read = { .number = number };
	uint64_t blocks = get64(page, 0);

	if (blocks == 0)
		return store_fail(
			error,
			"%s: namespace %u has no blocks; expected one "
			"that is attached (nvme list-ns), up to %u",
			name, number, identity->namespaces);
	read.block = read_block(page, name, number, error);
	if (read.block == 0)
		return false;
	if (blocks > (uint64_t)INT64_MAX / read.block)
		return store_fail(error,
				  "%s: namespace %u says that it has %" PRIu64
				  " blocks; expected fewer than 2^63 bytes",
				  name, number, blocks);
	read.capacity = blocks * read.block;
	read.read_only = page[99] & 1;
	read.deallocates = (page[33] & 8) != 0 && (page[33] & 7) == 1;
	*space = read;
	return true;
}

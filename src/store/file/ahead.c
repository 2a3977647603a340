// SPDX-License-Identifier: MIT
#include "store/file/ahead.h"

#include <stdbool.h>
#include <stddef.h>

static bool goes_on(const struct ahead_stream *stream, uint64_t offset)
{
	return stream->run && offset + AHEAD_REORDER >= stream->next &&
	       offset <= stream->next + AHEAD_REORDER;
}

static struct ahead_stream *find(struct ahead *ahead, uint64_t offset)
{
	for (uint32_t i = 0; i < AHEAD_STREAMS; i++)
		if (goes_on(&ahead->streams[i], offset))
			return &ahead->streams[i];
	return NULL;
}

static void begin(struct ahead *ahead, uint64_t offset, uint64_t size)
{
	struct ahead_stream *stream = &ahead->streams[ahead->oldest];

	ahead->oldest = (ahead->oldest + 1) % AHEAD_STREAMS;
	stream->next = offset + size;
	stream->until = offset + size;
	stream->run = size;
	stream->count = 1;
}

struct ahead_part ahead_of(struct ahead *ahead, uint64_t offset, uint64_t size)
{
	struct ahead_stream *stream = find(ahead, offset);
	struct ahead_part part = { 0 };
	uint64_t most, end = offset + size;

	if (!stream) {
		begin(ahead, offset, size);
		return part;
	}
	stream->run += size;
	if (end > stream->next)
		stream->next = end;
	if (stream->until < stream->next)
		stream->until = stream->next;
	if (stream->count < AHEAD_AFTER)
		stream->count++;
	if (stream->count < AHEAD_AFTER)
		return part;
	most = stream->run < AHEAD_MOST ? stream->run : AHEAD_MOST;
	/* Half of it is still to be read. */
	if (stream->until >= stream->next + most / 2)
		return part;
	part.offset = stream->until;
	part.size = (uint32_t)(stream->next + most - stream->until);
	stream->until += part.size;
	return part;
}

// SPDX-License-Identifier: MIT
#include "store/nvme/nvme.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <precarium/access.h>

#include "store/nvme/loans.h"
#include "store/nvme/pairs.h"

/*
 * One worker's lane to a namespace: a queue pair, and transfers.
 *
 * A transfer is cut into pieces, of which each has a slot of the pair, a buffer
 * and a command.  The pieces of a read or a write are in flight together, as
 * far as there are slots; transfers take turns for these.  A transfer ends when
 * none of its pieces is in flight and either all have been begun or one has
 * failed; what moved is what lies before the first that failed.
 *
 * What a write stores is what was in the client's memory at the one instant
 * when its piece was copied.  If the memory is gone then, the piece is not
 * begun.
 *
 * Ranges are done piece after piece: if the controller refuses to make zeroes,
 * zeroes are written.
 *
 * Copies take time, of which a turn has so much.
 */
#define TRANSFERS     128u
#define COPIES_A_TURN (512u << 10)
#define COPY_LEAST    4096u /* a shorter copy counts as this much */

/* A command that failed for the moment is put again so often. */
#define TRIES_MAX 4u

/* No failure yet. */
#define NOWHERE UINT64_MAX

struct transfer {
	struct store_io *io;
	struct transfer *next; /* free, or waiting for slots, or ended */
	uint64_t begun;	       /* bytes */
	uint64_t failed_at;    /* the first byte that did not move; NOWHERE */
	struct prec_result failure;
	uint32_t flying; /* pieces */
	uint32_t index;	 /* the span, or range, in which the next begins … */
	uint64_t inside; /* … and so many bytes into it */
	bool waits;	 /* for a slot */
	bool by_writing; /* zeroes: the controller does not make them */
};

struct nvme_lane {
	struct store_lane lane;
	struct nvme_store *nvme;
	struct nvme_pair *pair;
	struct nvme_loans *loans; /* NULL: all memory is copied */
	struct transfer *free;
	struct transfer *waiting;
	struct transfer **waiting_last;
	struct transfer *ended;
	uint64_t unput;	    /* slots that are prepared */
	uint64_t collected; /* slots whose commands have ended */
	bool looked;	    /* for them, in this turn */
	uint32_t copies;    /* bytes to copy in this turn, still */
	struct transfer transfers[TRANSFERS];
};

static struct nvme_lane *nvme_lane(struct store_lane *lane)
{
	return (struct nvme_lane *)lane;
}

struct store_lane *nvme_lane_open(const struct store *store,
				  struct store_error *error)
{
	struct nvme_lane *lane = calloc(1, sizeof(*lane));

	if (!lane) {
		store_fail(error, "out of memory");
		return NULL;
	}
	/* One that was opened here, and is not constant. */
	lane->nvme = (struct nvme_store *)(uintptr_t)store;
	lane->pair = nvme_pairs_take(lane->nvme, error);
	if (!lane->pair) {
		free(lane);
		return NULL;
	}
	if (lane->nvme->pin_max > 0) {
		lane->loans = nvme_loans_open(lane->nvme, lane->pair);
		if (!lane->loans) {
			store_fail(error, "out of memory");
			nvme_pairs_give(lane->nvme, lane->pair);
			free(lane);
			return NULL;
		}
	}
	lane->lane.store = store;
	lane->lane.fd = lane->pair->fd;
	lane->waiting_last = &lane->waiting;
	lane->copies = COPIES_A_TURN;
	for (uint32_t i = 0; i < TRANSFERS; i++) {
		lane->transfers[i].next = lane->free;
		lane->free = &lane->transfers[i];
	}
	return &lane->lane;
}

void nvme_lane_close(struct store_lane *generic)
{
	struct nvme_lane *lane = nvme_lane(generic);

	nvme_loans_close(lane->loans);
	nvme_pairs_give(lane->nvme, lane->pair);
	free(lane);
}

void nvme_lane_lend(struct store_lane *lane, struct store_loan *loan)
{
	nvme_loans_lend(nvme_lane(lane)->loans, loan);
}

void nvme_lane_take_back(struct store_lane *lane, struct store_loan *loan)
{
	nvme_loans_take_back(nvme_lane(lane)->loans, loan);
}

struct store_loan *nvme_lane_settled(struct store_lane *lane)
{
	return nvme_loans_settled(nvme_lane(lane)->loans);
}

struct prec_pin_account nvme_lane_account(const struct store_lane *lane,
					  uint32_t owner)
{
	return nvme_loans_account(((const struct nvme_lane *)lane)->loans,
				  owner);
}

static bool is_of_ranges(const struct store_io *io)
{
	return io->kind == STORE_DISCARD || io->kind == STORE_WRITE_ZEROES;
}

static void wait_for_slot(struct nvme_lane *lane, struct transfer *transfer)
{
	transfer->waits = true;
	transfer->next = NULL;
	*lane->waiting_last = transfer;
	lane->waiting_last = &transfer->next;
}

static struct transfer *next_waiting(struct nvme_lane *lane)
{
	struct transfer *transfer = lane->waiting;

	lane->waiting = transfer->next;
	if (!lane->waiting)
		lane->waiting_last = &lane->waiting;
	transfer->waits = false;
	return transfer;
}

/* Has it anything left to begin?  A flush is one piece. */
static bool has_more(const struct transfer *transfer)
{
	const struct store_io *io = transfer->io;

	if (transfer->failed_at != NOWHERE)
		return false;
	return transfer->begun < io->size ||
	       (io->kind == STORE_FLUSH && transfer->begun == 0);
}

/* Put it among those that have ended if that is so, or let it wait for a slot
 * if it has more. */
static void go_on(struct nvme_lane *lane, struct transfer *transfer)
{
	bool alone = is_of_ranges(transfer->io);

	if (has_more(transfer)) {
		if (!transfer->waits && (!alone || transfer->flying == 0))
			wait_for_slot(lane, transfer);
		return;
	}
	if (transfer->flying > 0 || transfer->waits)
		return;
	transfer->next = lane->ended;
	lane->ended = transfer;
}

/* The bytes from `at` on have not moved.  The first such tells. */
static void fail(struct transfer *transfer, uint64_t at,
		 enum prec_status status, int32_t error)
{
	if (transfer->failed_at != NOWHERE && transfer->failed_at <= at)
		return;
	transfer->failed_at = at;
	transfer->failure = (struct prec_result){ status, error, 0 };
}

/* Whole blocks only: an odd request is the driver's mistake, which was told the
 * size of a block. */
static bool is_whole(const struct store_io *io, uint32_t block)
{
	if (io->kind == STORE_DISCARD)
		return true;
	for (uint32_t i = 0; is_of_ranges(io) && i < io->range_count; i++) {
		if (io->ranges[i].offset % block || io->ranges[i].size % block)
			return false;
	}
	return is_of_ranges(io) ||
	       (io->offset % block == 0 && io->size % block == 0);
}

/* Does the store do nothing for it? */
static bool is_nothing(const struct nvme_store *nvme, const struct store_io *io)
{
	const struct nvme_identity *identity = &nvme->controller.identity;

	return io->kind == STORE_REFRESH ||
	       (io->kind == STORE_FLUSH && !identity->caches) ||
	       (io->kind == STORE_DISCARD && !identity->discards);
}

bool nvme_lane_add(struct store_lane *generic, struct store_io *io)
{
	struct nvme_lane *lane = nvme_lane(generic);
	struct nvme_store *nvme = lane->nvme;
	struct transfer *transfer = lane->free;

	if (!transfer)
		return false;
	lane->free = transfer->next;
	memset(transfer, 0, sizeof(*transfer));
	transfer->io = io;
	transfer->failed_at = NOWHERE;
	transfer->by_writing = !nvme->controller.identity.zeroes;
	io->slot = transfer;
	io->first_sync_failed = false;
	if (is_nothing(nvme, io))
		transfer->begun = io->size ? io->size : 1;
	else if (!is_whole(io, nvme->controller.space.block))
		fail(transfer, 0, PREC_SYSTEM, EINVAL);
	else if (io->kind == STORE_FLUSH && store_sync_error(&nvme->store))
		fail(transfer, 0, PREC_SYSTEM, store_sync_error(&nvme->store));
	go_on(lane, transfer);
	return true;
}

/* Copy between the client's memory, from a place in a span on, and a buffer.
 * What a list of spans holds beyond `size` is left alone. */
static struct prec_result copy(const struct store_io *io, uint32_t index,
			       uint64_t inside, uint8_t *buffer, uint32_t size)
{
	struct prec_result all = { PREC_OK, 0, 0 };

	for (; all.done < size && index < io->span_count; index++) {
		struct prec_span span = io->spans[index];
		uint64_t left = span.size - inside;
		struct prec_result one;

		if (left > size - all.done)
			left = size - all.done;
		one = io->kind == STORE_READ
			      ? prec_copy_out(span, inside, buffer + all.done,
					      left)
			      : prec_copy_in(buffer + all.done, span, inside,
					     left);
		all.done += one.done;
		all.status = one.status;
		all.error = one.error;
		if (one.status != PREC_OK)
			break;
		inside = 0;
	}
	return all;
}

static void pay(struct nvme_lane *lane, uint32_t bytes)
{
	uint32_t cost = bytes > COPY_LEAST ? bytes : COPY_LEAST;

	lane->copies -= cost < lane->copies ? cost : lane->copies;
}

/* Move the place where the next piece begins. */
static void advance(struct transfer *transfer, uint64_t bytes)
{
	const struct store_io *io = transfer->io;

	transfer->begun += bytes;
	transfer->inside += bytes;
	while (transfer->index < io->span_count &&
	       transfer->inside >= io->spans[transfer->index].size) {
		transfer->inside -= io->spans[transfer->index].size;
		transfer->index++;
	}
}

static uint32_t piece_size(const struct nvme_lane *lane, uint64_t left)
{
	uint64_t most = lane->nvme->controller.identity.bytes_max;

	if (most > NVME_BUFFER)
		most = NVME_BUFFER;
	return (uint32_t)(left < most ? left : most);
}

static void set_blocks(const struct nvme_lane *lane,
		       struct nvme_command *command, uint64_t offset,
		       uint64_t size)
{
	uint32_t block = lane->nvme->controller.space.block;
	uint64_t first = offset / block;

	command->dword10 = (uint32_t)first;
	command->dword11 = (uint32_t)(first >> 32);
	command->dword12 |= (uint32_t)(size / block - 1);
}

static void set_durable(const struct nvme_lane *lane, const struct store_io *io,
			struct nvme_command *command)
{
	if (io->durable && lane->nvme->controller.identity.caches)
		command->dword12 |= NVME_DURABLE;
}

/* As much of a read or a write as one command moves straight to or from the
 * client's memory.  False: it has to be copied. */
static bool begin_pinned(struct nvme_lane *lane, struct transfer *transfer,
			 uint32_t slot)
{
	const struct store_io *io = transfer->io;
	struct nvme_slot *piece = &lane->pair->slots[slot];
	uint64_t left = io->size - transfer->begun;
	uint64_t most = lane->nvme->controller.identity.bytes_max;

	if (!lane->loans)
		return false;
	piece->size = nvme_loans_aim(
		lane->loans, slot, io, transfer->index, transfer->inside,
		left < most ? left : most, &piece->command);
	if (piece->size == 0)
		return false;
	if (io->kind == STORE_WRITE)
		set_durable(lane, io, &piece->command);
	piece->command.opcode =
		io->kind == STORE_WRITE ? NVME_WRITE : NVME_READ;
	set_blocks(lane, &piece->command, io->offset + transfer->begun,
		   piece->size);
	advance(transfer, piece->size);
	return true;
}

/* The next piece of a read or a write.  False: there is none to begin. */
static bool begin_copied(struct nvme_lane *lane, struct transfer *transfer,
			 uint32_t slot)
{
	struct store_io *io = transfer->io;
	struct nvme_slot *piece = &lane->pair->slots[slot];
	uint32_t size = piece_size(lane, io->size - transfer->begun);
	struct prec_result got;

	piece->size = size;
	piece->span = transfer->index;
	piece->span_done = transfer->inside;
	if (io->kind == STORE_WRITE) {
		got = copy(io, transfer->index, transfer->inside,
			   nvme_pair_buffer(lane->pair, slot), size);
		if (got.status != PREC_OK) {
			fail(transfer, transfer->begun, got.status, got.error);
			return false;
		}
		set_durable(lane, io, &piece->command);
	}
	piece->command.opcode =
		io->kind == STORE_WRITE ? NVME_WRITE : NVME_READ;
	nvme_pair_aim(lane->pair, slot, size, &piece->command);
	set_blocks(lane, &piece->command, io->offset + transfer->begun, size);
	pay(lane, io->kind == STORE_WRITE ? size : 0);
	advance(transfer, size);
	return true;
}

/* Zeroes by the controller, or else written. */
static void begin_zeroes(struct nvme_lane *lane, struct transfer *transfer,
			 uint32_t slot, const struct store_range *range)
{
	struct nvme_slot *piece = &lane->pair->slots[slot];
	struct nvme_command *command = &piece->command;
	uint64_t left = range->size - transfer->inside;
	uint64_t most =
		(uint64_t)NVME_BLOCKS_MAX * lane->nvme->controller.space.block;

	set_durable(lane, transfer->io, command);
	if (transfer->by_writing) {
		command->opcode = NVME_WRITE;
		left = piece_size(lane, left);
		memset(nvme_pair_buffer(lane->pair, slot), 0, left);
		nvme_pair_aim(lane->pair, slot, (uint32_t)left, command);
		pay(lane, (uint32_t)left);
	} else {
		command->opcode = NVME_WRITE_ZEROES;
		left = left < most ? left : most;
		if (range->unmap && lane->nvme->controller.space.deallocates)
			command->dword12 |= NVME_DEALLOCATE;
	}
	set_blocks(lane, command, range->offset + transfer->inside, left);
	/* At most 256 MiB. */
	piece->size = (uint32_t)left;
}

/* Whole blocks of what is left of the range.  False: it has none. */
static bool begin_discard(struct nvme_lane *lane, struct transfer *transfer,
			  uint32_t slot, const struct store_range *range)
{
	struct nvme_slot *piece = &lane->pair->slots[slot];
	uint64_t block = lane->nvme->controller.space.block;
	uint64_t start = range->offset + transfer->inside;
	uint64_t left = range->size - transfer->inside;
	uint64_t size = left < 1u << 30 ? left : 1u << 30;
	uint64_t first = (start + block - 1) / block;
	uint64_t end = (start + size) / block;
	struct nvme_dataset_range list = {
		.blocks = (uint32_t)(end > first ? end - first : 0),
		.first = first,
	};

	piece->size = (uint32_t)size;
	if (list.blocks == 0)
		return false;
	memcpy(nvme_pair_buffer(lane->pair, slot), &list, sizeof(list));
	nvme_pair_aim(lane->pair, slot, sizeof(list), &piece->command);
	piece->command.opcode = NVME_DATASET;
	piece->command.dword11 = NVME_DATASET_DISCARD;
	return true;
}

/* A piece of a range is behind us. */
static void pass_range(struct transfer *transfer, uint64_t bytes)
{
	transfer->begun += bytes;
	transfer->inside += bytes;
	if (transfer->inside < transfer->io->ranges[transfer->index].size)
		return;
	transfer->inside = 0;
	transfer->index++;
}

/* The next piece of a range.  False: there is none that needs a command. */
static bool begin_range(struct nvme_lane *lane, struct transfer *transfer,
			uint32_t slot)
{
	const struct store_io *io = transfer->io;
	const struct store_range *range;

	while (transfer->index < io->range_count) {
		range = &io->ranges[transfer->index];
		if (range->size == 0) {
			transfer->index++;
			continue;
		}
		if (io->kind == STORE_WRITE_ZEROES) {
			begin_zeroes(lane, transfer, slot, range);
			return true;
		}
		if (begin_discard(lane, transfer, slot, range))
			return true;
		pass_range(transfer, lane->pair->slots[slot].size);
	}
	return false;
}

static bool begin_piece(struct nvme_lane *lane, struct transfer *transfer,
			uint32_t slot)
{
	struct nvme_slot *piece = &lane->pair->slots[slot];

	memset(&piece->command, 0, sizeof(piece->command));
	piece->command.namespace = lane->nvme->controller.space.number;
	piece->owner = transfer;
	piece->offset = transfer->begun;
	piece->tries = 0;
	piece->size = 0;
	if (is_of_ranges(transfer->io))
		return begin_range(lane, transfer, slot);
	if (transfer->io->kind != STORE_FLUSH)
		return begin_pinned(lane, transfer, slot) ||
		       begin_copied(lane, transfer, slot);
	piece->command.opcode = NVME_FLUSH;
	transfer->begun = 1;
	return true;
}

/* Prepare pieces, in turn, as far as slots and the turn go. */
static void prepare(struct nvme_lane *lane)
{
	while (lane->waiting && lane->copies > 0) {
		struct transfer *transfer;
		uint32_t slot = nvme_pair_take(lane->pair);

		if (slot == NVME_SLOTS_MAX)
			break;
		transfer = next_waiting(lane);
		if (has_more(transfer) && begin_piece(lane, transfer, slot)) {
			transfer->flying++;
			lane->unput |= 1ull << slot;
		} else {
			nvme_pair_give(lane->pair, slot);
		}
		go_on(lane, transfer);
	}
}

enum store_left nvme_lane_start(struct store_lane *generic)
{
	struct nvme_lane *lane = nvme_lane(generic);
	uint64_t unput;

	lane->copies = COPIES_A_TURN;
	lane->looked = false;
	prepare(lane);
	unput = lane->unput;
	lane->unput = 0;
	nvme_pair_put(lane->pair, unput);
	if (lane->ended || lane->collected ||
	    (lane->waiting && lane->copies == 0))
		return STORE_MORE;
	return STORE_NOTHING;
}

static int32_t error_of(uint16_t status)
{
	if (status == NVME_DROPPED)
		return ETIMEDOUT;
	if (status == NVME_LOST)
		return ENODEV;
	switch (NVME_STATUS_CODE(status)) {
	case NVME_NO_SPACE:
		return ENOSPC;
	case NVME_WRITE_PROTECTED:
	case NVME_READ_ONLY_RANGE:
		return EROFS;
	case NVME_ABORTED:
	case NVME_SQ_DELETED:
		return ECANCELED;
	default:
		return EIO;
	}
}

/* Put it again, after an error that may be transient? */
static bool may_try_again(const struct nvme_slot *piece)
{
	uint16_t code = NVME_STATUS_CODE(piece->status);

	return piece->status < NVME_DROPPED &&
	       !(piece->status & NVME_DO_NOT_RETRY) && code != NVME_ABORTED &&
	       code != NVME_SQ_DELETED && piece->tries < TRIES_MAX;
}

/* The controller makes no zeroes after all, or not so many. */
static bool must_write(const struct nvme_slot *piece)
{
	uint16_t code = NVME_STATUS_CODE(piece->status);

	return piece->command.opcode == NVME_WRITE_ZEROES &&
	       piece->status < NVME_DROPPED &&
	       (code == NVME_INVALID_OPCODE || code == NVME_INVALID_FIELD);
}

/* What a failed command means for its transfer. */
static void piece_failed(struct nvme_lane *lane, struct transfer *transfer,
			 const struct nvme_slot *piece)
{
	struct store_io *io = transfer->io;
	int32_t error = error_of(piece->status);

	if (must_write(piece)) {
		transfer->by_writing = true;
		return;
	}
	/* A hint that is not taken. */
	if (io->kind == STORE_DISCARD && error == EIO) {
		pass_range(transfer, piece->size);
		return;
	}
	if (io->kind == STORE_FLUSH && error != ECANCELED)
		io->first_sync_failed =
			store_sync_failed(&lane->nvme->store, error);
	fail(transfer, piece->offset, PREC_SYSTEM, error);
}

static void piece_done(struct nvme_lane *lane, struct transfer *transfer,
		       uint32_t slot)
{
	const struct nvme_slot *piece = &lane->pair->slots[slot];
	struct store_io *io = transfer->io;
	struct prec_result got;

	if (is_of_ranges(io)) {
		pass_range(transfer, piece->size);
	} else if (io->kind == STORE_READ) {
		got = copy(io, piece->span, piece->span_done,
			   nvme_pair_buffer(lane->pair, slot), piece->size);
		pay(lane, piece->size);
		if (got.status != PREC_OK)
			fail(transfer, piece->offset + got.done, got.status,
			     got.error);
	}
}

/* A command that moved memory of a client has ended.  It is not put again: that
 * memory may have been taken back meanwhile. */
static void pinned_ended(struct nvme_lane *lane, uint32_t slot)
{
	struct nvme_slot *piece = &lane->pair->slots[slot];
	struct transfer *transfer = piece->owner;
	bool believed = nvme_loans_end(lane->loans, slot, piece->status);

	if (piece->status != 0)
		piece_failed(lane, transfer, piece);
	else if (!believed)
		fail(transfer, piece->offset, PREC_GONE, 0);
	nvme_pair_give(lane->pair, slot);
	transfer->flying--;
	go_on(lane, transfer);
}

static bool is_pinned(const struct nvme_lane *lane, uint32_t slot)
{
	return nvme_loans_slots(lane->loans) >> slot & 1;
}

/* The command of a slot has ended. */
static void slot_ended(struct nvme_lane *lane, uint32_t slot)
{
	struct nvme_slot *piece = &lane->pair->slots[slot];
	struct transfer *transfer = piece->owner;

	if (is_pinned(lane, slot)) {
		pinned_ended(lane, slot);
		return;
	}
	if (transfer && piece->status != 0 && transfer->failed_at == NOWHERE &&
	    !must_write(piece) && may_try_again(piece)) {
		piece->tries++;
		lane->unput |= 1ull << slot;
		return;
	}
	if (transfer && piece->status == 0)
		piece_done(lane, transfer, slot);
	else if (transfer)
		piece_failed(lane, transfer, piece);
	nvme_pair_give(lane->pair, slot);
	if (!transfer)
		return;
	transfer->flying--;
	go_on(lane, transfer);
}

/* What moved is what lies before the first piece that failed. */
static struct store_io *end(struct nvme_lane *lane, struct transfer *transfer)
{
	struct store_io *io = transfer->io;

	io->result = (struct prec_result){ PREC_OK, 0, io->size };
	if (transfer->failed_at != NOWHERE) {
		io->result = transfer->failure;
		io->result.done = transfer->failed_at;
	}
	transfer->next = lane->free;
	lane->free = transfer;
	return io;
}

struct store_io *nvme_lane_reap(struct store_lane *generic)
{
	struct nvme_lane *lane = nvme_lane(generic);
	struct transfer *transfer;

	for (;;) {
		transfer = lane->ended;
		if (transfer) {
			lane->ended = transfer->next;
			return end(lane, transfer);
		}
		if (!lane->collected && !lane->looked) {
			lane->looked = true;
			lane->collected = nvme_pair_collect(lane->pair);
		}
		if (!lane->collected || lane->copies == 0)
			return NULL;
		slot_ended(lane, (uint32_t)__builtin_ctzll(lane->collected));
		lane->collected &= lane->collected - 1;
	}
}

static void take_out_of_line(struct nvme_lane *lane, struct transfer *transfer)
{
	struct transfer **at = &lane->waiting;

	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
	if (!*at)
		lane->waiting_last = at;
	transfer->waits = false;
}

/* The slots of its pieces, a bit each. */
static uint64_t slots_of(const struct nvme_lane *lane,
			 const struct transfer *transfer)
{
	uint64_t slots = 0;

	for (uint32_t i = 0; i < NVME_SLOTS_MAX; i++) {
		if ((lane->pair->used >> i & 1) &&
		    lane->pair->slots[i].owner == transfer)
			slots |= 1ull << i;
	}
	return slots;
}

/* Its pieces in these slots are not waited for. */
static void leave(struct nvme_lane *lane, struct transfer *transfer,
		  uint64_t slots)
{
	while (slots) {
		struct nvme_slot *piece =
			&lane->pair->slots[__builtin_ctzll(slots)];

		slots &= slots - 1;
		fail(transfer, piece->offset, PREC_SYSTEM, ECANCELED);
		piece->owner = NULL;
		transfer->flying--;
	}
}

/* Pieces that are prepared and not put need not be.  They are copied: what is
 * pinned is put in the same turn. */
static void drop_unput(struct nvme_lane *lane, struct transfer *transfer,
		       uint64_t slots)
{
	leave(lane, transfer, slots);
	lane->unput &= ~slots;
	lane->pair->used &= ~slots;
}

void nvme_lane_cancel(struct store_lane *generic, struct store_io *io)
{
	struct nvme_lane *lane = nvme_lane(generic);
	struct transfer *transfer = io->slot;
	uint64_t slots = slots_of(lane, transfer);

	/* It is among those that have ended. */
	if (transfer->flying == 0 && !transfer->waits)
		return;
	if (has_more(transfer))
		fail(transfer, transfer->begun, PREC_SYSTEM, ECANCELED);
	if (transfer->waits)
		take_out_of_line(lane, transfer);
	drop_unput(lane, transfer, slots & lane->unput);
	slots &= lane->pair->used;
	/* A read that is copied touches only buffers of ours. */
	if (io->kind == STORE_READ)
		leave(lane, transfer, slots & ~nvme_loans_slots(lane->loans));
	nvme_pair_hurry(lane->pair, slots);
	go_on(lane, transfer);
}

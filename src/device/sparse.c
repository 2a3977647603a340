// SPDX-License-Identifier: MIT
#include "device/sparse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"
#include "device/queue.h"
#include "device/request.h"

/* Bytes that are filled for one request before the kernel tries again, doubled
 * each time that the kernel comes no further, because some direct transfers are
 * all or nothing.  Bounded, because other clients of the thread wait meanwhile.
 */
#define FILL_FIRST (256ull << 10)
#define FILL_MOST  (4ull << 20)

/* Bytes that are searched for a hole, where the kernel does not say how far it
 * came. */
#define LOOK_MOST (64ull << 20)

/* Times in a row that the kernel may come no further: such a client punches
 * holes faster than we fill them. */
#define TRIES_MAX 16u

void sparse_list_init(struct sparse_list *list, struct prec_budget *all,
		      uint64_t max)
{
	memset(list, 0, sizeof(*list));
	pthread_mutex_init(&list->lock, NULL);
	list->all = all;
	list->max = max;
}

void sparse_list_free(struct sparse_list *list)
{
	while (list->first) {
		struct sparse *sparse = list->first;

		list->first = sparse->next;
		prec_budget_end(&sparse->budget);
		free(sparse);
	}
	pthread_mutex_destroy(&list->lock);
}

static struct sparse *most_charged(const struct sparse_list *list)
{
	struct sparse *best = NULL, *sparse;

	for (sparse = list->first; sparse; sparse = sparse->next)
		if (!sparse->taken &&
		    (!best || prec_budget_used(&sparse->budget) >
				      prec_budget_used(&best->budget)))
			best = sparse;
	return best;
}

static struct sparse *add(struct sparse_list *list)
{
	struct sparse *sparse = calloc(1, sizeof(*sparse));

	if (!sparse)
		return NULL;
	sparse->budget.max = list->max;
	sparse->budget.all = list->all;
	sparse->next = list->first;
	list->first = sparse;
	return sparse;
}

bool sparse_take(struct sparse_list *list, struct sparse **sparse)
{
	*sparse = NULL;
	if (list->max == 0)
		return true;
	pthread_mutex_lock(&list->lock);
	*sparse = most_charged(list);
	if (!*sparse)
		*sparse = add(list);
	if (*sparse) {
		(*sparse)->taken = true;
		(*sparse)->logged = false;
	}
	pthread_mutex_unlock(&list->lock);
	return *sparse;
}

void sparse_put(struct sparse_list *list, struct sparse *sparse)
{
	if (!sparse)
		return;
	pthread_mutex_lock(&list->lock);
	sparse->taken = false;
	pthread_mutex_unlock(&list->lock);
}

uint64_t sparse_list_sum(struct sparse_list *list)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&list->lock);
	for (struct sparse *sparse = list->first; sparse; sparse = sparse->next)
		sum += prec_budget_used(&sparse->budget);
	pthread_mutex_unlock(&list->lock);
	return sum;
}

static void log_shortage(const struct device *device)
{
	const struct sparse *sparse = device->sparse;
	const struct prec_budget *budget = &sparse->budget;
	bool of_all = prec_budget_short(budget) != budget;

	client_log(device->client,
		   "filling holes in its memory has cost %" PRIu64
		   " KiB%s, of %" PRIu64 " KiB: requests that need more fail; "
		   "raise %s, or preallocate: QEMU's prealloc=on, libvirt's "
		   "<allocation mode='immediate'/> (logged once)",
		   prec_budget_used(prec_budget_short(budget)) / 1024,
		   of_all ? " together with all clients" : "",
		   prec_budget_short(budget)->max / 1024,
		   of_all ? "max-sparse-all"
			  : "max-sparse, or sparse of the export");
}

uint64_t sparse_refused(const struct sparse *sparse)
{
	return sparse ? prec_budget_refused(&sparse->budget) : 0;
}

/* Each part looks for itself, so that none takes what another was refused for
 * memory that is gone. */
bool sparse_was_short(struct device_part *part)
{
	struct sparse *sparse = part->device->sparse;
	uint64_t refused = sparse_refused(sparse);

	if (refused == part->refused_seen)
		return false;
	part->refused_seen = refused;
	counter_add(&part->counters->over_sparse, 1);
	if (!__atomic_exchange_n(&sparse->logged, true, __ATOMIC_RELAXED))
		log_shortage(part->device);
	return true;
}

/* From now on the request stands for what is left of it. */
static void advance(struct request *request, uint64_t done)
{
	struct store_io *io = &request->io;

	io->offset += done;
	io->size -= done;
	request->moved += done;
	for (uint32_t i = 0; done > 0 && i < io->span_count; i++) {
		struct prec_span *span = &request->spans[i];
		uint64_t part = done < span->size ? done : span->size;

		span->host += part;
		span->address += part;
		span->size -= part;
		done -= part;
	}
}

/* Fill `most` bytes, counted from the first hole. */
static enum prec_status fill(const struct request *request, uint64_t most,
			     uint64_t *made)
{
	uint64_t looked = 0, left = most;
	enum prec_status status = PREC_OK;

	*made = 0;
	for (uint32_t i = 0; i < request->io.span_count; i++) {
		const struct prec_span *span = &request->spans[i];
		uint64_t at = 0;

		while (at < span->size && status == PREC_OK && left > 0 &&
		       looked < LOOK_MOST) {
			uint64_t size = span->size - at, new;

			size = size < FILL_FIRST ? size : FILL_FIRST;
			status = prec_span_provide(*span, at, size, &new);
			*made += new;
			if (*made)
				left -= size < left ? size : left;
			looked += size;
			at += size;
		}
	}
	return status;
}

static bool may_have_holes(const struct request *request)
{
	const struct device *device = request->queue->device;
	enum store_io_kind kind = request->io.kind;

	return device->sparse && !device->cancelled &&
	       device_state(device) != DEVICE_ENDING &&
	       (kind == STORE_READ || kind == STORE_WRITE) &&
	       request->io.result.status != PREC_OK;
}

bool sparse_fill(struct request *request)
{
	struct prec_result *result = &request->io.result;
	uint64_t most = FILL_FIRST << request->tries, made;
	enum prec_status status;

	if (!may_have_holes(request))
		return false;
	if (result->done > 0)
		request->tries = 0;
	advance(request, result->done);
	result->done = 0;
	status = fill(request, most < FILL_MOST ? most : FILL_MOST, &made);
	if (status != PREC_OK) {
		result->status = PREC_GONE;
		return false;
	}
	/* No page was missing: others have made them meanwhile, or the request
	 * failed for another reason. */
	if (made == 0 && result->status != PREC_GONE)
		return false;
	return request->tries++ < TRIES_MAX;
}

// SPDX-License-Identifier: MIT
#include "store/nvme/pairs.h"

#include <stdlib.h>

struct nvme_pair *nvme_pairs_add(struct nvme_store *nvme,
				 struct store_error *error)
{
	struct nvme_pair *pair;

	if (nvme->pair_count == nvme->controller.pairs) {
		store_fail(error,
			   "%s: has %u queue pairs; expected no more --workers "
			   "than that",
			   nvme->bus->name, nvme->pair_count);
		return NULL;
	}
	pair = malloc(sizeof(*pair));
	if (!pair) {
		store_fail(error, "out of memory");
		return NULL;
	}
	if (nvme_pair_open(pair, &nvme->controller, nvme->pair_count + 1,
			   error)) {
		pair->guard_fd = nvme->guard_fd;
		nvme->pairs[nvme->pair_count++] = pair;
		return pair;
	}
	nvme_pair_close(pair);
	free(pair);
	return NULL;
}

struct nvme_pair *nvme_pairs_take(struct nvme_store *nvme,
				  struct store_error *error)
{
	struct nvme_pair *pair;

	pthread_mutex_lock(&nvme->mutex);
	pair = nvme->dead ? NULL : nvme->spare;
	if (pair)
		nvme->spare = pair->next;
	pthread_mutex_unlock(&nvme->mutex);
	if (!pair) {
		pthread_mutex_lock(&nvme->work);
		if (nvme->dead)
			store_fail(error, "the NVMe controller is gone");
		else
			pair = nvme_pairs_add(nvme, error);
		pthread_mutex_unlock(&nvme->work);
	}
	if (!pair)
		return NULL;
	pthread_mutex_lock(&nvme->mutex);
	nvme->lanes++;
	pthread_mutex_unlock(&nvme->mutex);
	nvme_signal(nvme->guard_fd);
	return pair;
}

void nvme_pairs_give(struct nvme_store *nvme, struct nvme_pair *pair)
{
	pthread_mutex_lock(&nvme->mutex);
	pair->next = nvme->spare;
	nvme->spare = pair;
	nvme->lanes--;
	pthread_mutex_unlock(&nvme->mutex);
}

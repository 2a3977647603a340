/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_STORE_NVME_GUARD_H
#define PRECARIUM_STORE_NVME_GUARD_H

#include "store/nvme/nvme.h"

/*
 * The guard of a controller, a thread: it ends commands that do not end by
 * themselves, so that workers never wait for a controller.
 *
 *	late: abort the command
 *	still there: delete the queue pair, and make it again
 *	that fails, or the controller has failed: disable and enable it
 *	that fails: reset it by its bus, and enable it
 *	that fails, or it is removed: close the bus; all commands have ended
 *
 * A command is reported to have failed only once the controller cannot carry it
 * out any more: a write that was given up must not reach the disk after one
 * that a client has issued since.
 */

/* Start it.  False: *error says why. */
bool nvme_guard_start(struct nvme_store *nvme, struct store_error *error);
/* End it, if it was started. */
void nvme_guard_stop(struct nvme_store *nvme);

/* Look after the controller once: what the thread does now and then. */
void nvme_guard_look(struct nvme_store *nvme);

/* Map or unmap a piece of clients' memory.  False: there is nothing to do. */
bool nvme_guard_map(struct nvme_store *nvme);

#endif

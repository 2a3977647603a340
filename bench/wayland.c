// SPDX-License-Identifier: MIT
/*
 * Entering and leaving a transaction, against what compositors do for the same
 * end: wl_shm_buffer_begin_access and wl_shm_buffer_end_access of
 * libwayland-server.  In a program of its own, because that library takes the
 * signal, too.
 */
#include "measure.h"

#include <precarium/precarium.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wayland-client.h>
#include <wayland-server.h>

#define SIZE 4096

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int lend(void)
{
	int fd = memfd_create("bench", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, SIZE) != 0)
		die("memfd");
	return fd;
}

/* The compositor and its client are both here, and take turns. */
static struct wl_display *compositor, *client;
static struct wl_shm *shm;
static struct wl_shm_buffer *buffer;

static void on_global(void *data, struct wl_registry *registry, uint32_t name,
		      const char *interface, uint32_t version)
{
	(void)data;
	(void)version;
	if (strcmp(interface, wl_shm_interface.name) == 0)
		shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
}

static void on_global_remove(void *data, struct wl_registry *registry,
			     uint32_t name)
{
	(void)data;
	(void)registry;
	(void)name;
}

static const struct wl_registry_listener listener = {
	.global = on_global,
	.global_remove = on_global_remove,
};

static void let_compositor_work(void)
{
	if (wl_display_flush(client) < 0)
		die("wl_display_flush");
	wl_event_loop_dispatch(wl_display_get_event_loop(compositor), 0);
	wl_display_flush_clients(compositor);
}

static void make_buffer(void)
{
	struct wl_registry *registry;
	struct wl_client *known;
	struct wl_shm_pool *pool;
	struct wl_buffer *mine;
	int pair[2];

	compositor = wl_display_create();
	if (!compositor || wl_display_init_shm(compositor) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		die("compositor");
	known = wl_client_create(compositor, pair[0]);
	client = wl_display_connect_to_fd(pair[1]);
	if (!known || !client)
		die("client");
	registry = wl_display_get_registry(client);
	wl_registry_add_listener(registry, &listener, NULL);
	let_compositor_work();
	if (wl_display_dispatch(client) < 0 || !shm)
		die("wl_shm");
	pool = wl_shm_create_pool(shm, lend(), SIZE);
	mine = wl_shm_pool_create_buffer(pool, 0, 32, 32, 128,
					 WL_SHM_FORMAT_XRGB8888);
	let_compositor_work();
	buffer = wl_shm_buffer_get(wl_client_get_object(
		known, wl_proxy_get_id((struct wl_proxy *)mine)));
	if (!buffer)
		die("wl_shm_buffer_get");
}

static struct prec_region region;
static struct prec_region *regions[] = { &region };

static void nothing(struct prec_transaction *t, void *argument)
{
	(void)t;
	(void)argument;
	__asm__ volatile("");
}

static void enter_ours(void *argument, uint64_t times)
{
	struct prec_transaction t = { .regions = regions, .region_count = 1 };

	(void)argument;
	while (times--)
		if (prec_transaction_run(&t, nothing, NULL) != PREC_OK)
			abort();
}

static void scope_ours(void *argument, uint64_t times)
{
	struct prec_transaction t = { .regions = regions,
				      .region_count = 1,
				      .policy = PREC_SUBSTITUTE };

	(void)argument;
	while (times--) {
		if (prec_scope_begin(&t) != PREC_OK)
			abort();
		__asm__ volatile("");
		if (prec_scope_end(&t) != PREC_OK)
			abort();
	}
}

static void enter_peer(void *argument, uint64_t times)
{
	(void)argument;
	while (times--) {
		wl_shm_buffer_begin_access(buffer);
		__asm__ volatile("");
		wl_shm_buffer_end_access(buffer);
	}
}

int main(int argc, char **argv)
{
	struct prec_lending lending = { .fd = lend(),
					.size = SIZE,
					.rights = PREC_READ | PREC_WRITE };

	make_buffer();
	if (prec_region_map(&region, &lending, NULL) != PREC_OK)
		die("prec_region_map");
	measure_head(argc > 1 && strcmp(argv[1], "--json") == 0);
	measure_print("enter and leave a transaction", "libwayland-server",
		      (struct measure_side){ enter_ours, NULL, NULL },
		      (struct measure_side){ enter_peer, NULL, NULL });
	measure_print("begin and end a scope", "libwayland-server",
		      (struct measure_side){ scope_ours, NULL, NULL },
		      (struct measure_side){ enter_peer, NULL, NULL });
	return 0;
}

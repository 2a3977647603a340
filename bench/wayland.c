// SPDX-License-Identifier: MIT
/*
 * Entering and leaving a transaction, against what compositors do for the same
 * end: wl_shm_buffer_begin_access and wl_shm_buffer_end_access of
 * libwayland-server.  In a program of its own, because that library takes the
 * signal, too.
 */
#include "measure.h"

#include <string.h>
#include <sys/socket.h>

#include "operations.h"

#include <wayland-client.h>
#include <wayland-server.h>

#define SIZE 4096

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
	pool = wl_shm_create_pool(shm, lend(SIZE), SIZE);
	mine = wl_shm_pool_create_buffer(pool, 0, 32, 32, 128,
					 WL_SHM_FORMAT_XRGB8888);
	let_compositor_work();
	buffer = wl_shm_buffer_get(wl_client_get_object(
		known, wl_proxy_get_id((struct wl_proxy *)mine)));
	if (!buffer)
		die("wl_shm_buffer_get");
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
	make_buffer();
	operations_prepare();
	measure_head(argc > 1 && strcmp(argv[1], "--json") == 0);
	measure_print("enter and leave a transaction", "libwayland-server",
		      (struct measure_side){ run_transaction, NULL, NULL },
		      (struct measure_side){ enter_peer, NULL, NULL });
	measure_print("begin and end a scope", "libwayland-server",
		      (struct measure_side){ run_scope, NULL, NULL },
		      (struct measure_side){ enter_peer, NULL, NULL });
	return 0;
}

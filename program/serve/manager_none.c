// SPDX-License-Identifier: MIT
#include "program/serve/manager.h"

#include <stddef.h>

void manager_take_log(void)
{
}

bool manager_take_sockets(struct vhost_error *error)
{
	(void)error;
	return true;
}

int manager_socket_at(const char *path)
{
	(void)path;
	return -1;
}

const char *manager_socket_path(int number)
{
	(void)number;
	return NULL;
}

void manager_tell_ready(void)
{
}

void manager_tell_reloading(void)
{
}

void manager_tell_stopping(void)
{
}

// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "program/serve/sandbox.h"

const bool sandbox_has_filter = false;

bool sandbox_filter(struct vhost_error *error)
{
	snprintf(error->text, sizeof(error->text),
		 "seccomp: on: built without it; expected off");
	return false;
}

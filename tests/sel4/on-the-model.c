// SPDX-License-Identifier: MIT
/* The scenario on the model: one part, or all. */
#include "scenario.h"

#include <unistd.h>

int main(int argc, char **argv)
{
	model_start();
	scenario(argc > 1 ? argv[1] : NULL);
	for (;;)
		pause();
}

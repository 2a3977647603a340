// SPDX-License-Identifier: MIT
/*
 * A plug-in that has a copy of the library is unloaded.  A fault of the host
 * still comes to the host's own handler, by way of that copy.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/expect.h"

static sigjmp_buf back;

static void host(int sig)
{
	siglongjmp(back, sig);
}

int main(int count, char **arguments)
{
	int fd = memfd_create("host", 0);
	int (*meets_loss)(void);
	volatile char *at;
	void *plugin;

	MUST(count == 2 && fd >= 0);
	signal(SIGBUS, host);
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	MUST(at != MAP_FAILED);
	plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
	MUST(plugin != NULL);
	*(void **)&meets_loss = dlsym(plugin, "plugin_meets_loss");
	MUST(meets_loss != NULL);
	EXPECT(meets_loss() == 0);
	EXPECT(dlclose(plugin) == 0);
	if (sigsetjmp(back, 1) == 0) {
		(void)*at;
		EXPECT(false);
	}
	EXPECT(true);
	return expect_end();
}

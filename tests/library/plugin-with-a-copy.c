// SPDX-License-Identifier: MIT
/* A plug-in with a static copy of the library; loaded and unloaded by
 * plugin-unloaded-keeps-handler. */
#include <sys/mman.h>
#include <unistd.h>

#include <precarium/precarium.h>

PREC_EXPORT int plugin_meets_loss(void);

int plugin_meets_loss(void)
{
	struct prec_lending lending = { .fd = memfd_create("client", 0),
					.size = 4096,
					.rights = PREC_READ };
	struct prec_region region;
	uint64_t value;

	if (ftruncate(lending.fd, 4096) != 0 ||
	    prec_region_map(&region, &lending, NULL) != PREC_OK ||
	    ftruncate(lending.fd, 0) != 0 ||
	    prec_load64(region.span, 0, &value) != PREC_GONE)
		return 1;
	close(lending.fd);
	return prec_region_unmap(&region) != PREC_OK;
}

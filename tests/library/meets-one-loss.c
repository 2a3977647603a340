// SPDX-License-Identifier: MIT
/* A small program that meets a loss, for table-survives-linkers to link. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <precarium/precarium.h>

int main(void)
{
	struct prec_lending lending = { .fd = memfd_create("client", 0),
					.size = 4096,
					.rights = PREC_READ };
	enum prec_status status;
	struct prec_region region;
	uint64_t value;

	if (ftruncate(lending.fd, 4096) != 0)
		return 1;
	status = prec_region_map(&region, &lending, NULL);
	if (status != PREC_OK) {
		printf("refused: %s, health %x\n", strerror(errno),
		       prec_fault_health());
		return 0;
	}
	if (ftruncate(lending.fd, 0) != 0)
		return 1;
	status = prec_load64(region.span, 0, &value);
	printf("%s, health %x\n", prec_status_name(status),
	       prec_fault_health());
	return status != PREC_GONE || prec_region_unmap(&region) != PREC_OK;
}

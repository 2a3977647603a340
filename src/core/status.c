// SPDX-License-Identifier: MIT
#include <precarium/status.h>

const char *prec_status_name(enum prec_status status)
{
	switch (status) {
	case PREC_OK:
		return "ok";
	case PREC_GONE:
		return "memory gone";
	case PREC_RANGE:
		return "out of range";
	case PREC_RIGHTS:
		return "not lent for that";
	case PREC_REFUSED:
		return "refused";
	case PREC_INVALID:
		return "invalid argument";
	case PREC_FULL:
		return "table full";
	case PREC_BUSY:
		return "busy";
	case PREC_OVERLAP:
		return "overlaps";
	case PREC_DISTURBED:
		return "memory replaced meanwhile";
	case PREC_SYSTEM:
		return "system error";
	}
	return "unknown status";
}

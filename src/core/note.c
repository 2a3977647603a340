// SPDX-License-Identifier: MIT
#include <precarium/note.h>

void prec_note_fault(struct prec_note *note, uint64_t address, bool write)
{
	if (note->faults == 0) {
		note->address = address;
		note->write = write;
	}
	if (note->faults < UINT64_MAX)
		note->faults++;
}

void prec_note_abandoned(struct prec_note *note)
{
	note->abandoned = true;
}

void prec_note_replaced(struct prec_note *note, uint64_t host, uint64_t size)
{
	if (note->substituted)
		return;
	note->substituted = true;
	note->lost_host = host;
	note->lost_size = size;
}

uint64_t prec_epoch_next(uint64_t epoch)
{
	return epoch + 1;
}

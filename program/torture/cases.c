// SPDX-License-Identifier: MIT
#include "program/torture/case.h"

#include <stdlib.h>

void torture_nothing(struct attack *attack, const struct torture_case *self)
{
	(void)self;
	attack_start(attack, (struct client_options){ .depth = 0 });
}

void torture_good_life(struct attack *attack, const struct torture_case *self)
{
	struct client_completion completion;

	(void)self;
	if (attack_start(attack, (struct client_options){ .depth = 16 }) ||
	    hostile_load(&attack->client, attack->random))
		return;
	while (attack->client.queues[0].busy &&
	       client_wait(&attack->client, 0, &completion, 1000) > 0)
		continue;
	client_stop(&attack->client);
	client_close(&attack->client);
}

struct case_list cases_make(void)
{
	struct case_list list = {
		calloc(CASES_MAX, sizeof(struct torture_case)), 0
	};

	if (!list.cases)
		return list;
	cases_add_messages(&list);
	cases_add_memory(&list);
	cases_add_rings(&list);
	cases_add_race(&list);
	cases_add_packed(&list);
	cases_add_iommu(&list);
	cases_add_requests(&list);
	cases_add_notifications(&list);
	cases_add_life(&list);
	cases_add_revocation(&list);
	cases_add_slow(&list);
	cases_add_time(&list);
	return list;
}

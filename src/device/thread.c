// SPDX-License-Identifier: MIT
#include "device/thread.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

int thread_start(pthread_t *thread, void *(*run)(void *argument),
		 void *argument)
{
	sigset_t all, before;
	pthread_t started;
	int error;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&started, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error && !thread)
		pthread_detach(started);
	if (!error && thread)
		*thread = started;
	return error;
}

void thread_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

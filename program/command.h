/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PROGRAM_COMMAND_H
#define PRECARIUM_PROGRAM_COMMAND_H

/*
 * The commands of the program, and what all of them share.  A command gets its
 * own arguments, with its name in argv[0], and returns the exit status.
 */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int command_serve(int argc, char **argv);
int command_resize(int argc, char **argv);
int command_stat(int argc, char **argv);
int command_export(int argc, char **argv);
int command_limit(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_log(int argc, char **argv);
int command_version(int argc, char **argv);
int command_check_host(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_torture(int argc, char **argv);

/* Print "precarium: " and one line on standard error; what it must not hold is
 * escaped, and of what is longer than some 2000 bytes the middle is left out.
 * Any thread may call it; no signal handler may. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* Flush standard output.  Returns EXIT_FAILED, after a line on standard error,
 * if the output did not reach its destination. */
int finish_output(void);

#endif

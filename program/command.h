/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TOOLS_COMMAND_H
#define PRECARIUM_TOOLS_COMMAND_H

/* The commands of the program.  Each gets its own arguments, argv[0] being its
 * name, and gives the exit status. */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int command_serve(int argc, char **argv);
int command_resize(int argc, char **argv);
int command_stat(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_check_host(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_torture(int argc, char **argv);

/* "precarium: " and one line on standard error. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* Write out what is buffered for standard output.  EXIT_FAILED, and a line on
 * standard error, if it does not get there. */
int finish_output(void);

#endif

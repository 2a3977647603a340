// SPDX-License-Identifier: MIT
/* Who drives a target: libFuzzer, or the files that are named. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef PREC_LIBFUZZER
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_prepare();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_one(data, size);
	return 0;
}
#else
static int play(const char *path)
{
	static uint8_t input[1u << 16];
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file) {
		perror(path);
		return 0;
	}
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	fuzz_one(input, size);
	return 1;
}

int main(int argc, char **argv)
{
	struct dirent **names;
	int count = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
	int played = 0;

	if (count < 0) {
		fprintf(stderr, "usage: %s FOLDER, of inputs to be played\n",
			argv[0]);
		return 2;
	}
	fuzz_prepare();
	for (int i = 0; i < count; i++) {
		char path[4096];

		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", argv[1],
				 names[i]->d_name);
			played += play(path);
		}
		free(names[i]);
	}
	free(names);
	printf("%d inputs played\n", played);
	return played > 0 ? 0 : 1;
}
#endif

/* Runs a fuzz target over files: the corpus as an ordinary test, or one input that made it fail. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 << 20, DEPTH_MAX = 8 };

static unsigned long inputs;

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *data = malloc(INPUT_MAX), *exact;
	size_t size;

	if (file == NULL || data == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	/* A block of exactly this size, so that reading past its end is seen. */
	exact = malloc(size == 0 ? 1 : size);
	if (exact == NULL)
		exit(1);
	memcpy(exact, data, size);
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	inputs++;
}

static void run(const char *path, unsigned depth)
{
	struct dirent *entry;
	char *inner;
	struct stat st;
	DIR *folder;

	if (stat(path, &st) < 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	folder = opendir(path);
	if (folder == NULL || depth > DEPTH_MAX) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0)
			exit(1);
		run(inner, depth + 1);
		free(inner);
	}
	closedir(folder);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run(argv[i], 0);
	printf("%lu inputs\n", inputs);
	return inputs == 0;
}

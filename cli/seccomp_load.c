/* Profiles from files, with all that is wrong with them. */
#include "cli/seccomp_load.h"

#include "base/cleanup.h"
#include "cli/cli.h"
#include "sensor/caps.h"
#include "sensor/seccomp/compile.h"

enum { ARENA_MAX = 64 << 20 };

static bool caps_of(const char *words, uint64_t *ret)
{
	struct str rest = str_of(words);

	*ret = 0;
	if (strcmp(words, "all") == 0)
		*ret = ~0ULL;
	if (*ret != 0 || strcmp(words, "none") == 0)
		return true;
	while (rest.len > 0) {
		ptrdiff_t comma = str_find(rest, STR(","));
		struct str word = comma < 0 ? rest : str_cut(rest, (size_t)comma);
		int bit = cap_find(word);

		if (bit < 0) {
			cli_usage("--caps: \"%.*s\" is not a capability, all or none", STR_ARG(word));
			return false;
		}
		*ret |= 1ULL << bit;
		rest = str_from(rest, word.len + 1);
	}
	return true;
}

static void compile(struct seccomp_loaded *loaded, const char *path)
{
	const char *why;
	int r = profile_compile(&loaded->profile, &loaded->program, &why);

	loaded->ok = r == 0;
	if (r < 0)
		conf_error_add(&loaded->errors, path, 0, 0, NULL, "cannot become a filter (%s): %s", why, strerror(-r));
}

bool seccomp_load(const char *path, const char *caps, struct seccomp_loaded **ret)
{
	struct seccomp_loaded *loaded = calloc(1, sizeof(*loaded));
	struct profile_machine machine;
	struct conf_reader reader;

	profile_machine_here(&machine);
	if (caps != NULL && !caps_of(caps, &machine.capabilities)) {
		free(loaded);
		return false;
	}
	if (loaded == NULL)
		abort();
	arena_init(&loaded->arena, ARENA_MAX);
	loaded->errors.arena = &loaded->arena;
	reader = (struct conf_reader){ .arena = &loaded->arena, .errors = &loaded->errors };
	if (profile_read_file(&reader, path, &machine, &loaded->profile) == 0)
		compile(loaded, path);
	*ret = loaded;
	return true;
}

void seccomp_loaded_free(struct seccomp_loaded *loaded)
{
	if (loaded == NULL)
		return;
	arena_done(&loaded->arena);
	free(loaded);
}

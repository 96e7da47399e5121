/* The command's profile of system calls (--seccomp): read before the command starts, and again when the file
 * changes. */
#include "base/cleanup.h"
#include "base/log.h"
#include "sensor/seccomp/compare.h"
#include "sensor/seccomp/compile.h"
#include "sensor/sensor_inner.h"

#include <errno.h>
#include <sys/stat.h>

enum { ARENA_MAX = 64 << 20, NAMES_SHOWN = 200 /* bytes */ };

static const char *const modes[] = { "enforced", "audited", "enforced by the kernel" };

/* A profile and all that it needs. */
struct loading {
	struct arena arena;
	struct conf_errors errors;
	struct profile profile;
	struct seccomp_program program;
};

static void loading_free(struct loading *loading)
{
	if (loading == NULL)
		return;
	arena_done(&loading->arena);
	free(loading);
}

DEFINE_CLEANUP(struct loading *, loading_free);

static void log_errors(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		const struct conf_error *error = &errors->at[i];

		if (error->warning)
			log_info("seccomp: %s:%u:%u: %s", error->file, error->line, error->column, error->text);
		else
			log_err("seccomp: %s:%u:%u: %s", error->file, error->line, error->column, error->text);
	}
}

static int load(const char *path, struct loading **ret)
{
	CLEANUP(loading_free_p) struct loading *loading = calloc(1, sizeof(*loading));
	struct profile_machine machine;
	struct conf_reader reader;
	const char *why;
	int r;

	if (loading == NULL)
		return -ENOMEM;
	arena_init(&loading->arena, ARENA_MAX);
	loading->errors.arena = &loading->arena;
	reader = (struct conf_reader){ .arena = &loading->arena, .errors = &loading->errors };
	profile_machine_here(&machine);
	r = profile_read_file(&reader, path, &machine, &loading->profile);
	log_errors(&loading->errors);
	if (r < 0)
		return r;
	r = profile_compile(&loading->profile, &loading->program, &why);
	if (r < 0) {
		log_err("seccomp: %s: it cannot become a filter (%s): %s", path, why, strerror(-r));
		return r;
	}
	*ret = TAKE(loading);
	return 0;
}

/* The file's own word, except that nothing loosens what is strict. */
static enum decide_mode mode_of(const struct options *options, const struct loading *loading)
{
	if (options->seccomp_mode == DECIDE_STRICT || !loading->profile.has_mode)
		return options->seccomp_mode;
	return loading->profile.audits ? DECIDE_AUDIT : DECIDE_ENFORCE;
}

static bool stamp(const char *path, struct sensor_seccomp *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*ret = (struct sensor_seccomp){ .ino = st.st_ino, .size = st.st_size, .changed = st.st_mtim };
	return true;
}

int sensor_start_seccomp(struct sensor *sensor)
{
	CLEANUP(loading_free_p) struct loading *loading = NULL;
	const struct options *options = sensor->options;
	int r;

	if (options->seccomp == NULL)
		return 0;
	stamp(options->seccomp, &sensor->seccomp);
	if (atomic_load(&options->decider->turn) != 0)
		return 0; /* the command runs under it already */
	r = load(options->seccomp, &loading);
	if (r < 0)
		return r;
	memcpy(&options->decider->told, &loading->program, sizeof(loading->program));
	decider_change(options->decider, &loading->program, mode_of(options, loading));
	log_info("seccomp: %s is %s, %u instructions", options->seccomp, modes[mode_of(options, loading)], loading->program.len);
	return 0;
}

/* ---- changes while the command runs ---- */

/* What another profile refuses, and the command's own filter does not tell of. */
struct untold {
	struct buf names; /* " mount, bpf," */
	size_t count;
};

static void note_untold(const struct compare_difference *difference, void *userdata)
{
	struct untold *untold = userdata;
	char name[COMPARE_NAME_MAX + 2];
	int len = snprintf(name, sizeof(name), " %s,", difference->name == NULL ? "newer calls" : difference->name);

	/* The same call of another architecture is no other one. */
	if ((difference->a & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW || len >= (int)sizeof(name) ||
	    str_find(buf_str(&untold->names), (struct str){ name, (size_t)len }) >= 0)
		return;
	buf_add(&untold->names, (struct str){ name, (size_t)len });
	untold->count++;
}

static void warn_untold(const struct decider *decider, const struct loading *loading)
{
	const struct compared before = { &loading->profile, &decider->told };
	const struct compared now = { &loading->profile, &loading->program };
	struct untold untold = { 0 };
	size_t untried;

	profile_compare(&before, &now, note_untold, &untold, &untried);
	if (untold.count > 0)
		log_warning("seccomp: %zu calls that the profile now refuses were allowed when the command began, and go on until "
			    "it starts again:%.*s", untold.count, STR_ARG(str_cut(buf_str(&untold.names), NAMES_SHOWN)));
	buf_done(&untold.names);
}

void sensor_look_at_seccomp(struct sensor *sensor)
{
	CLEANUP(loading_free_p) struct loading *loading = NULL;
	const struct options *options = sensor->options;
	struct sensor_seccomp now;

	if (options->seccomp == NULL || !stamp(options->seccomp, &now) ||
	    (now.ino == sensor->seccomp.ino && now.size == sensor->seccomp.size &&
	     now.changed.tv_sec == sensor->seccomp.changed.tv_sec && now.changed.tv_nsec == sensor->seccomp.changed.tv_nsec))
		return;
	sensor->seccomp = now;
	if (options->seccomp_mode == DECIDE_STRICT) {
		log_warning("seccomp: %s has changed; in strict mode that counts when the command starts again", options->seccomp);
		return;
	}
	if (load(options->seccomp, &loading) < 0) {
		log_err("seccomp: %s has changed and is not good; the one before stays in force", options->seccomp);
		return;
	}
	warn_untold(options->decider, loading);
	decider_change(options->decider, &loading->program, mode_of(options, loading));
	log_notice("seccomp: %s has changed and is %s", options->seccomp, modes[mode_of(options, loading)]);
}

/* Figures for people, or as one JSON object. */
#include "tests/bench/figures.h"

#include "base/buf.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The processor's name, as the kernel has it. */
static void add_processor(struct buf *out)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[512];
	struct str text = STR("unknown processor");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		text = str_trim(str_of(colon + 1));
		break;
	}
	buf_add(out, text);
	if (file != NULL)
		fclose(file);
}

static void add_machine(struct buf *out)
{
	struct utsname name;

	add_processor(out);
	buf_addf(out, ", %ld processors", sysconf(_SC_NPROCESSORS_ONLN));
	if (uname(&name) == 0)
		buf_addf(out, ", %s %s", name.sysname, name.release);
}

/* ---- for people ---- */

static void print_figure(const char *name, const struct figure *f, double baseline)
{
	printf("  %-34s %8.0f ns (%.0f to %.0f) %12.0f events/s", name, f->median, f->least, f->most, 1e9 / f->median);
	if (baseline > 0)
		printf("   %.1f times the baseline's speed", baseline / f->median);
	putchar('\n');
}

static void print_modes(const struct figures *f)
{
	printf("%llu events of %u distinct ones a round, %u rounds, medians (least to most), %s counts\n",
	       (unsigned long long)f->events, f->distinct, f->rounds, f->match_all ? "every match" : "first match");
	print_figure("decoded events", &f->fast, f->plain.median);
	print_figure("with reading the JSON", &f->json, 0);
	print_figure("baseline: plain walk", &f->plain, 0);
	printf("  one match: p50 %.0f ns, p99 %.0f ns; %.2f %% of the events match; %llu allocations for %u events\n",
	       f->p50, f->p99, 100.0 * f->matching, (unsigned long long)f->allocations, f->distinct);
}

static void print_text(const struct figures *f, struct str machine)
{
	printf("%.*s\n", STR_ARG(machine));
	printf("%zu rules, %zu enabled: loaded in %.1f ms, %zu KiB; %u checks, %u nodes, %u terms\n", f->load.rules,
	       f->load.enabled, f->load.ms, f->load.bytes >> 10, f->checks, f->nodes, f->terms);
	print_modes(f);
	puts("copies of the rules on system calls, each with its own constants:");
	for (size_t i = 0; i < f->copies_count; i++)
		printf("  x %-4u %6zu rules  %8.0f ns an event (%.2f times x 1)   loaded in %.0f ms, %zu MiB\n",
		       f->copies[i].copies, f->copies[i].load.rules, f->copies[i].ns, f->copies[i].ns / f->copies[0].ns,
		       f->copies[i].load.ms, f->copies[i].load.bytes >> 20);
}

/* ---- as JSON ---- */

static void add_figure(struct buf *out, const char *name, const struct figure *f)
{
	buf_addf(out, ",\"%s\":{\"ns\":%.1f,\"least\":%.1f,\"most\":%.1f,\"events_per_second\":%.0f}", name, f->median,
	         f->least, f->most, 1e9 / f->median);
}

static void add_load(struct buf *out, const struct load_figures *load)
{
	buf_addf(out, "\"rules\":%zu,\"enabled\":%zu,\"load_ms\":%.2f,\"bytes\":%zu", load->rules, load->enabled, load->ms,
	         load->bytes);
}

static void print_json(const struct figures *f, struct str machine)
{
	struct buf out = { 0 };

	buf_add(&out, STR("{\"machine\":"));
	buf_add_json(&out, machine);
	buf_add_char(&out, ',');
	add_load(&out, &f->load);
	buf_addf(&out, ",\"checks\":%u,\"nodes\":%u,\"terms\":%u,\"match\":\"%s\",\"events\":%llu,\"rounds\":%u", f->checks,
	         f->nodes, f->terms, f->match_all ? "all" : "first", (unsigned long long)f->events, f->rounds);
	add_figure(&out, "decoded", &f->fast);
	add_figure(&out, "with_json", &f->json);
	add_figure(&out, "baseline", &f->plain);
	buf_addf(&out, ",\"p50_ns\":%.1f,\"p99_ns\":%.1f,\"matching\":%.5f,\"allocations\":%llu,\"copies\":[", f->p50, f->p99,
	         f->matching, (unsigned long long)f->allocations);
	for (size_t i = 0; i < f->copies_count; i++) {
		buf_addf(&out, "%s{\"copies\":%u,\"ns\":%.1f,", i > 0 ? "," : "", f->copies[i].copies, f->copies[i].ns);
		add_load(&out, &f->copies[i].load);
		buf_add_char(&out, '}');
	}
	buf_add(&out, STR("]}"));
	puts(buf_text(&out));
	buf_done(&out);
}

void figures_print(const struct figures *figures, bool as_json)
{
	struct buf machine = { 0 };

	add_machine(&machine);
	if (as_json)
		print_json(figures, buf_str(&machine));
	else
		print_text(figures, buf_str(&machine));
	buf_done(&machine);
}

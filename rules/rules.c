/* Loading: files in, items collected, each rule compiled, all of it indexed by event type. */
#include "rules/rules.h"

#include "base/hash.h"
#include "rules/guards.h"
#include "rules/work.h"

#include <errno.h>
#include <stdio.h>

static void warn_unused(struct loader *loader)
{
	for (size_t i = 0; i < loader->macros_count; i++) {
		const struct macro *macro = loader->macros[i];
		struct place place = { .node = macro->node,
				       .item_kind = "macro",
				       .item_name = macro->name };

		if (!macro->used)
			report_add(loader->report, RULES_UNUSED_MACRO, &place,
				   "Macro not referred to by any other rule/macro");
	}
	for (size_t i = 0; i < loader->lists_count; i++) {
		const struct list *list = &loader->lists[i];
		struct place place = { .node = list->node,
				       .item_kind = "list",
				       .item_name = list->name };

		if (!list->used)
			report_add(loader->report, RULES_UNUSED_LIST, &place,
				   "List not referred to by any other rule/macro");
	}
}

static bool intern_fixed(struct compiler *c)
{
	static const char *const names[ANCESTOR_KINDS] = {
		"proc.aname[1]", "proc.aexe[1]",  "proc.aexepath[1]", "proc.acmdline[1]",
		"proc.apid[1]",	 "proc.aargs[1]", "proc.aenv[1]",
	};
	struct rules *rules = c->rules;

	rules->arg_flags = fields_intern(c->fields, STR("evt.arg.flags"));
	rules->arg_mode = fields_intern(c->fields, STR("evt.arg.mode"));
	rules->arg_uid = fields_intern(c->fields, STR("evt.arg.uid"));
	for (int i = 0; i < ANCESTOR_KINDS; i++)
		rules->ancestors[i][1] = fields_intern(c->fields, str_of(names[i]));
	return true;
}

static int compile_all(struct loader *loader, struct fields *fields, struct rules *rules)
{
	struct compiler c = { .loader = loader, .rules = rules, .fields = fields };
	bool ok = lists_resolve(loader) && macros_resolve(loader) && intern_fixed(&c) &&
		  compile_init(&c) && compile_rules(&c);

	if (ok) {
		warn_unused(loader);
		load_check_plugins(loader);
	}
	ok = ok && index_sources(&c) && guards_make(&c);
	rules->fields_count = fields_count(fields);
	ok = ok && wanted_mark(&c);
	if (ok && loader->settings->description != NULL)
		ok = describe_all(&c, loader->settings->description);
	compile_done(&c);
	return ok && !loader->out_of_memory ? 0 : -ENOMEM;
}

static struct rules *rules_new(const struct rules_settings *settings)
{
	struct rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return NULL;
	arena_init(&rules->arena, RULES_MEMORY_MAX);
	rules->match_all = settings->match_all;
	return rules;
}

void rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	for (uint32_t i = 0; i < rules->predicates_count; i++)
		for (uint32_t j = 0;
		     rules->predicates[i].op == OP_REGEX && j < rules->predicates[i].count; j++)
			pcre2_code_free(rules->predicates[i].literals[j].regex);
	for (uint32_t i = 0; i < rules->terms_count; i++)
		table_done(&rules->terms[i].words);
	table_done(&rules->types);
	arena_done(&rules->arena);
	free(rules);
}

static void loader_done(struct loader *loader)
{
	table_done(&loader->list_names);
	table_done(&loader->macro_names);
	table_done(&loader->rule_names);
	table_done(&loader->broken);
}

/* Not keyed: two hubs with the same files say the same. */
static void set_version(struct rules *rules, const struct rules_text *files, size_t count)
{
	const struct hash_key open_key = { 0 };
	struct hash_state state;

	hash_begin(&state, &open_key);
	for (size_t i = 0; i < count; i++) {
		hash_add(&state, str_of(files[i].name));
		hash_add(&state, files[i].text);
	}
	snprintf(rules->version, sizeof(rules->version), "%016llx",
		 (unsigned long long)hash_end(&state).lo);
}

static bool keep_files(struct rules *rules, const struct rules_text *files, size_t count)
{
	rules->files = arena_alloc(&rules->arena, (count + 1) * sizeof(*files));
	for (size_t i = 0; rules->files != NULL && i < count; i++) {
		struct rules_text *kept = &rules->files[i];

		kept->name = arena_str(&rules->arena, str_of(files[i].name)).at;
		kept->text = arena_str(&rules->arena, files[i].text);
		if (kept->name == NULL || kept->text.at == NULL)
			return false;
		rules->files_loaded++;
	}
	return rules->files != NULL;
}

size_t rules_files_count(const struct rules *rules)
{
	return rules->files_loaded;
}

struct rules_text rules_file_at(const struct rules *rules, size_t index)
{
	return rules->files[index];
}

struct str rules_version(const struct rules *rules)
{
	return str_of(rules->version);
}

/* Whose fault it was, as far as one can say. */
static int out_of_memory(struct loader *loader)
{
	struct place place = { .node = loader->at };

	report_add(loader->report, RULES_ERR_VALIDATE, &place,
		   "here the rules began to take more memory than there is, or than the %d MB that "
		   "they may",
		   RULES_MEMORY_MAX >> 20);
	return -EINVAL;
}

static int load_text(struct loader *loader, const struct rules_text *text)
{
	struct yaml_file *file = arena_alloc(loader->arena, sizeof(*file));

	if (file == NULL)
		return -ENOMEM;
	/* Files of a folder are entered when they are read, those in memory now. */
	*file = (struct yaml_file){ .name = text->name,
				    .text = text->text,
				    .number = text->is_entered ?
						      text->number :
						      report_file(loader->report, text->name) };
	return load_file(loader, file);
}

int rules_load_text(const struct rules_settings *settings, const struct rules_text *files,
		    size_t files_count, struct fields *fields, struct rules_report *report,
		    struct rules **ret)
{
	CLEANUP(rules_free_p) struct rules *rules = rules_new(settings);
	struct rules_settings own = *settings;
	struct arena arena;
	struct loader loader = { .settings = &own, .arena = &arena, .report = report };
	int r = rules == NULL ? -ENOMEM : 0;

	arena_init(&arena, RULES_MEMORY_MAX);
	if (r == 0 && !load_add_sources(&arena, settings, &own.sources))
		r = -ENOMEM;
	report->first_error = settings->first_error;
	for (size_t i = 0; i < files_count && r == 0; i++)
		r = load_text(&loader, &files[i]);
	/* What a file that is not YAML would have defined is not worth a hundred errors. */
	if (r == 0 && !loader.has_bad_yaml && !report_is_over(report))
		r = compile_all(&loader, fields, rules);
	if (r == -ENOMEM && loader.at != NULL)
		r = out_of_memory(&loader);
	loader_done(&loader);
	arena_done(&arena);
	if (r < 0)
		return r;
	if (report->errors > 0)
		return -EINVAL;
	set_version(rules, files, files_count);
	if (!keep_files(rules, files, files_count))
		return -ENOMEM;
	*ret = TAKE(rules);
	return 0;
}

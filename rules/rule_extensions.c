/* What Falco's rules do not have: who is asked for the verdict, and what is watched over time. */
#include "rules/work.h"

#include "base/hash.h"

static const char *copy_or_null(struct compiler *c, struct str text)
{
	return text.len == 0 ? NULL : compile_str(c, text).at;
}

/* The fields of the question are an output's: named, typed and wanted the same way. */
bool compile_rule_opa(struct work *work)
{
	const struct opa_item *item = work->item->opa;
	struct rule_opa *opa;
	struct format *input = &work->rule.opa_input;

	if (item == NULL)
		return true;
	opa = compile_take(work->c, sizeof(*opa));
	if (opa == NULL)
		return false;
	*opa = (struct rule_opa){ .url = copy_or_null(work->c, item->url),
				  .unix_socket = copy_or_null(work->c, item->unix_socket),
				  .path = copy_or_null(work->c, item->path),
				  .token = copy_or_null(work->c, item->token),
				  .on_error_pass = item->on_error_pass,
				  .timeout_ms = item->timeout_ms,
				  .cache_ms = item->cache_ms,
				  .all_fields = item->input.count == 0 };
	work->rule.opa = opa;
	if (opa->all_fields)
		return true;
	if (!text_expand(work->c->loader, &item->input, &work->opa_text))
		return false;
	work->c->text = &work->opa_text;
	if (!compile_format(work->c, work->opa_text.text, false, input))
		return false;
	input->partial = true;
	return true;
}

static bool compile_fields(struct work *work, const struct pieces *pieces, struct text *text,
			   struct format *ret)
{
	if (pieces->count == 0)
		return true;
	if (!text_expand(work->c->loader, pieces, text))
		return false;
	work->c->text = text;
	if (!compile_format(work->c, text->text, false, ret))
		return false;
	ret->partial = true;
	return true;
}

/* Keys of output_fields are names as they stand in a format: that of `by` tells it from others. */
static uint64_t watch_version(const struct work *work)
{
	const struct watch_item *item = &work->item->watch;
	const struct hash_key open_key = { 0 };
	struct hash_state state;

	hash_begin(&state, &open_key);
	hash_add_u64(&state, (uint64_t)item->kind);
	hash_add(&state, work->item->source);
	hash_add(&state, work->rule.canonical.len > 0 ? work->rule.canonical : work->text.text);
	for (size_t i = 0; i < item->steps_count; i++)
		hash_add(&state, work->step_texts[i].text);
	hash_add(&state, work->by_text.text);
	hash_add(&state, work->of_text.text);
	hash_add_u64(&state, item->by_hostname);
	hash_add_u64(&state, item->of_hostname);
	hash_add_u64(&state, (uint64_t)item->within_ns);
	hash_add_u64(&state, (uint64_t)item->learn_ns);
	hash_add_u64(&state, item->count);
	return hash_end(&state).lo;
}

bool compile_rule_watch(struct work *work)
{
	const struct watch_item *item = &work->item->watch;
	struct watch_code *watch;

	if (item->kind == WATCH_NONE)
		return true;
	watch = compile_take(work->c, sizeof(*watch));
	if (watch == NULL)
		return false;
	if (!compile_fields(work, &item->by, &work->by_text, &watch->by) ||
	    !compile_fields(work, &item->of, &work->of_text, &watch->of))
		return false;
	watch->by_hostname = item->by_hostname;
	watch->of_hostname = item->of_hostname;
	memcpy(watch->steps, work->steps, sizeof(watch->steps));
	watch->said = (struct rule_watch){ .kind = item->kind,
					   .within_ns = item->within_ns,
					   .learn_ns = item->learn_ns,
					   .count = item->count,
					   .steps = (uint32_t)item->steps_count,
					   .version = watch_version(work) };
	work->rule.watch = watch;
	return true;
}

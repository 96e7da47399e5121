/* From one item of a body to the next. */
#include "hub/normalise/items.h"

#include "base/json.h"

/* Behind `c`, when it stands at `at` but for blanks; else 0. */
static size_t behind(struct str text, size_t at, char c)
{
	at = json_blanks(text, at);
	return at < text.len && text.at[at] == c ? at + 1 : 0;
}

/* Behind the bracket of {"Findings": [, or 0. */
static size_t findings_at(struct str text, size_t at)
{
	static const struct str keys[] = { STR("\"Findings\""), STR("\"findings\"") };

	at = behind(text, at, '{');
	if (at == 0)
		return 0;
	at = json_blanks(text, at);
	if (!str_starts(str_from(text, at), keys[0]) && !str_starts(str_from(text, at), keys[1]))
		return 0;
	at = behind(text, at + keys[0].len, ':');
	return at == 0 ? 0 : behind(text, at, '[');
}

/* Stands before an item, or before what begins a list of them. */
static void look(struct items *items)
{
	struct str body = items->body;
	size_t inside;

	for (;;) {
		items->at = json_blanks(body, items->at);
		if (items->at >= body.len) {
			items->open = items->list;
			items->done = true;
			return;
		}
		if (items->list && body.at[items->at] == ']') {
			items->done = !items->wrapped;
			if (items->done)
				return;
			/* The rest of the object: its other keys say nothing of findings. */
			items->list = items->wrapped = false;
			do
				items->at = json_skip_bad(body, items->at + 1);
			while (items->at < body.len && body.at[items->at] != '}');
			items->at += items->at < body.len;
			continue;
		}
		inside = items->list ? 0 : findings_at(body, items->at);
		if (inside == 0)
			return;
		items->list = items->wrapped = true;
		items->at = inside;
	}
}

void items_begin(struct items *items, struct str body)
{
	*items = (struct items){ .body = body };
	items->list = behind(body, 0, '[') != 0;
	items->at = items->list ? behind(body, 0, '[') : 0;
	look(items);
}

void items_step(struct items *items, size_t end)
{
	struct str body = items->body;

	items->at = json_blanks(body, end > items->at ? end : items->at + 1);
	if (items->list && items->at < body.len && body.at[items->at] == ',')
		items->at++;
	look(items);
}

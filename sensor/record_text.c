/* A record's strings. */
#include "sensor/record_text.h"

static const struct record_string *string_at(const struct record *record, size_t offset)
{
	return (const struct record_string *)((const char *)record + offset);
}

bool record_is_valid(const void *data, size_t len)
{
	const struct record *record = data;
	size_t at = sizeof(*record);

	if (len < sizeof(*record) || record->len < sizeof(*record) || record->len > len ||
	    record->type < RECORD_CALL || record->type > RECORD_EXIT ||
	    record->class >= RECORD_CLASSES)
		return false;
	while (at + sizeof(struct record_string) <= record->len) {
		size_t size = RECORD_STRING_SIZE(string_at(record, at)->len);

		if (size > record->len - at)
			return false;
		at += size;
	}
	return at == record->len;
}

static const struct record_string *find(const struct record *record, enum record_string_tag tag)
{
	for (size_t at = sizeof(*record); at < record->len;) {
		const struct record_string *string = string_at(record, at);

		if ((string->tag & ~RECORD_STRING_CUT) == (int)tag)
			return string;
		at += RECORD_STRING_SIZE(string->len);
	}
	return NULL;
}

struct str record_text(const struct record *record, enum record_string_tag tag)
{
	const struct record_string *string = find(record, tag);

	return string == NULL ? (struct str){ NULL, 0 } : (struct str){ string->text, string->len };
}

bool record_is_cut(const struct record *record, enum record_string_tag tag)
{
	const struct record_string *string =
		record->flags & (RECORD_CUT_ARGS | RECORD_CUT_PATH) ? find(record, tag) : NULL;

	return string != NULL && (string->tag & RECORD_STRING_CUT);
}

void record_add(struct record *record, enum record_string_tag tag, struct str text)
{
	struct record_string *string = (struct record_string *)((char *)record + record->len);
	unsigned cut = 0;

	if (text.len >= RECORD_STRING_MAX) {
		text.len = RECORD_STRING_MAX - 1;
		cut = RECORD_STRING_CUT;
		record->flags |= tag == RECORD_STRING_ARGS || tag == RECORD_STRING_ENV
					 ? RECORD_CUT_ARGS
					 : RECORD_CUT_PATH;
	}
	if (RECORD_STRING_SIZE(text.len) > RECORD_MAX - record->len) {
		record->flags |= RECORD_CUT_PATH;
		return;
	}
	string->tag = (__u16)(tag | cut);
	string->len = (__u16)text.len;
	if (text.len > 0)
		memcpy(string->text, text.at, text.len);
	record->len += (__u32)RECORD_STRING_SIZE(text.len);
}

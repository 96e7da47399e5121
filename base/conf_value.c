/* Single settings in their written form: durations, sizes, addresses, and the word that was meant. */
#include "base/cleanup.h"
#include "base/conf.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first, so that the shortest exact form is found by going down. */
static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

static const struct unit size_units[] = {
	{ "TiB", (int64_t)1 << 40 }, { "GiB", (int64_t)1 << 30 }, { "MiB", (int64_t)1 << 20 },
	{ "KiB", (int64_t)1 << 10 }, { "TB", 1000000000000 },     { "GB", 1000000000 },
	{ "MB", 1000000 },           { "kB", 1000 },              { "KB", 1000 },
	{ "B", 1 },
};

static size_t digits_of(struct str text)
{
	size_t len = 0;

	while (len < text.len && text.at[len] >= '0' && text.at[len] <= '9')
		len++;
	return len;
}

/* One number with one of the units; how many bytes it took, or 0. */
static size_t number_with_unit(struct str text, const struct unit *units, size_t count, int64_t *ret)
{
	size_t digits = digits_of(text), letters = digits;
	int64_t number;

	while (letters < text.len && (text.at[letters] | 32) >= 'a' && (text.at[letters] | 32) <= 'z')
		letters++;
	if (!str_to_i64(str_cut(text, digits), &number))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (str_eq(str_from(str_cut(text, letters), digits), str_of(units[i].name)))
			return __builtin_mul_overflow(number, units[i].factor, ret) ? 0 : letters;
	return 0;
}

bool conf_parse_duration(struct str text, int64_t *ret_ms)
{
	int64_t sum = 0, part;

	if (str_eq(text, STR("0"))) {
		*ret_ms = 0;
		return true;
	}
	if (text.len == 0)
		return false;
	while (text.len > 0) {
		size_t len = number_with_unit(text, duration_units, ARRAY_LEN(duration_units), &part);

		if (len == 0 || __builtin_add_overflow(sum, part, &sum))
			return false;
		text = str_from(text, len);
	}
	*ret_ms = sum;
	return true;
}

bool conf_parse_size(struct str text, int64_t *ret_bytes)
{
	int64_t bytes;

	if (text.len > 0 && digits_of(text) == text.len)
		return str_to_i64(text, ret_bytes);
	if (text.len == 0 ||
	    number_with_unit(text, size_units, ARRAY_LEN(size_units), &bytes) != text.len)
		return false;
	*ret_bytes = bytes;
	return true;
}

bool conf_parse_bool(struct str text, bool *ret)
{
	static const char *const words[] = { "false", "no", "off", "true", "yes", "on" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eq_nocase(text, str_of(words[i]))) {
			*ret = i >= 3;
			return true;
		}
	}
	return false;
}

static bool has_blank(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] <= ' ')
			return true;
	return false;
}

bool conf_parse_address(struct str text)
{
	struct str host;
	uint64_t port;
	size_t colon = text.len;

	if (has_blank(text))
		return false;
	if (str_starts(text, STR("unix:")))
		return text.len > 5 && text.len - 5 < 108; /* sun_path */
	while (colon > 0 && text.at[colon - 1] != ':')
		colon--;
	if (colon < 2 || !str_to_u64(str_from(text, colon), &port) || port > 65535)
		return false;
	host = str_cut(text, colon - 1);
	if (host.at[0] == '[')
		return host.len > 3 && host.at[host.len - 1] == ']';
	return str_find(host, STR(":")) < 0;
}

static void add_with_unit(int64_t value, const struct unit *units, size_t count, struct buf *out)
{
	for (size_t i = 0; value != 0 && i < count; i++) {
		if (value % units[i].factor == 0) {
			buf_addf(out, "%lld%s", (long long)(value / units[i].factor), units[i].name);
			return;
		}
	}
	buf_add_i64(out, value);
}

void conf_add_duration(int64_t ms, struct buf *out)
{
	add_with_unit(ms, duration_units, ARRAY_LEN(duration_units), out);
}

void conf_add_size(int64_t bytes, struct buf *out)
{
	if (bytes % 1024 != 0)
		buf_add_i64(out, bytes);
	else
		add_with_unit(bytes, size_units, 4, out); /* the binary ones */
}

enum { WORD_MAX = 64 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned d = a < b ? a : b;

	return d < c ? d : c;
}

static char folded(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 32);
	return c == '-' ? '_' : c;
}

/* Edits between two words: insert, delete, replace, swap of neighbours (Damerau 1964, restricted).
 * Case and - for _ are free. */
static unsigned distance(struct str a, struct str b)
{
	unsigned rows[3][WORD_MAX + 1];

	for (unsigned j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			char x = folded(a.at[i - 1]), y = folded(b.at[j - 1]);

			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == folded(b.at[j - 2]) && y == folded(a.at[i - 2]) &&
			    higher[j - 2] + 1 < row[j])
				row[j] = higher[j - 2] + 1;
		}
	}
	return rows[a.len % 3][b.len];
}

const char *conf_closest(struct str word, const char *const *candidates)
{
	const char *best = NULL;
	unsigned best_distance = 0;

	if (word.len == 0 || word.len > WORD_MAX)
		return NULL;
	for (; *candidates != NULL; candidates++) {
		struct str candidate = str_of(*candidates);
		unsigned found;

		if (candidate.len > WORD_MAX)
			continue;
		found = distance(word, candidate);
		/* A third of the letters may be wrong, else it is another word. */
		if (found * 3 <= candidate.len + 1 && (best == NULL || found < best_distance)) {
			best = *candidates;
			best_distance = found;
		}
	}
	return best;
}

/* Clocks, and RFC 3339 in both directions without the C library's locale and time zone. */
#include "base/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_now(void)
{
	return clock_read(CLOCK_REALTIME);
}

int64_t clock_mono(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

/* Days since the epoch of a Gregorian date; Howard Hinnant's algorithm with March as first month. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t era, y = month <= 2 ? year - 1 : year;
	unsigned of_era, of_year;

	era = y / 400;
	of_era = (unsigned)(y - era * 400);
	of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

static bool take_number(struct str *s, unsigned digits, unsigned min, unsigned max, unsigned *ret)
{
	unsigned value = 0;

	if (s->len < digits)
		return false;
	for (unsigned i = 0; i < digits; i++) {
		unsigned digit = (unsigned)(s->at[i] - '0');

		if (digit > 9)
			return false;
		value = value * 10 + digit;
	}
	*s = str_from(*s, digits);
	*ret = value;
	return value >= min && value <= max;
}

static bool take_char(struct str *s, const char *any)
{
	if (s->len == 0 || s->at[0] == '\0' || strchr(any, s->at[0]) == NULL)
		return false;
	*s = str_from(*s, 1);
	return true;
}

static int64_t take_fraction(struct str *s)
{
	int64_t ns = 0, unit = NS_PER_S / 10;

	while (s->len > 0 && s->at[0] >= '0' && s->at[0] <= '9') {
		ns += (s->at[0] - '0') * unit;
		unit /= 10;
		*s = str_from(*s, 1);
	}
	return ns;
}

/* Seconds to subtract; false when there is neither Z nor an offset. */
static bool take_offset(struct str *s, int64_t *ret_s)
{
	unsigned hours, minutes;
	bool west;

	*ret_s = 0;
	if (take_char(s, "Zz"))
		return true;
	west = s->len > 0 && s->at[0] == '-';
	if (!take_char(s, "+-") || !take_number(s, 2, 0, 23, &hours))
		return false;
	take_char(s, ":");
	if (!take_number(s, 2, 0, 59, &minutes))
		return false;
	*ret_s = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return true;
}

bool clock_parse(struct str text, int64_t *ret_ns)
{
	static const unsigned lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day, hour, minute, second;
	int64_t fraction = 0, offset;

	if (!take_number(&text, 4, 1970, 2261, &year) || !take_char(&text, "-") ||
	    !take_number(&text, 2, 1, 12, &month) || !take_char(&text, "-") ||
	    !take_number(&text, 2, 1, 31, &day) || !take_char(&text, "Tt ") ||
	    !take_number(&text, 2, 0, 23, &hour) || !take_char(&text, ":") ||
	    !take_number(&text, 2, 0, 59, &minute) || !take_char(&text, ":") ||
	    !take_number(&text, 2, 0, 60, &second))
		return false;
	if (day > lengths[month - 1]) {
		bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

		if (month != 2 || day > 29 || !leap)
			return false;
	}
	if (take_char(&text, ".")) {
		size_t before = text.len;

		fraction = take_fraction(&text);
		if (text.len == before)
			return false;
	}
	if (!take_offset(&text, &offset) || text.len != 0)
		return false;
	*ret_ns = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset) *
	                  NS_PER_S + fraction;
	return true;
}

void buf_add_time(struct buf *buf, int64_t ns)
{
	int64_t seconds = ns / NS_PER_S, rest = ns % NS_PER_S;
	time_t at;
	struct tm tm;

	if (rest < 0) {
		rest += NS_PER_S;
		seconds--;
	}
	at = (time_t)seconds;
	gmtime_r(&at, &tm);
	buf_addf(buf, "%04d-%02d-%02dT%02d:%02d:%02d.%09lldZ", tm.tm_year + 1900, tm.tm_mon + 1,
	         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (long long)rest);
}

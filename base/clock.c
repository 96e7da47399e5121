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

/* The Gregorian date of a day since the epoch; the inverse of days_of(). */
static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	unsigned of_era = (unsigned)(shifted - era * 146097);
	unsigned years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * years + years / 4 - years / 100);
	unsigned shifted_month = (5 * of_year + 2) / 153;

	*day = of_year - (153 * shifted_month + 2) / 5 + 1;
	*month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	*year = (unsigned)((int64_t)years + era * 400) + (*month <= 2);
}

static void put_digits(char *to, unsigned digits, uint64_t value)
{
	while (digits > 0) {
		to[--digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* By hand: it stands on the hot path, and printf() with gmtime() costs ten times as much. */
void buf_add_time(struct buf *buf, int64_t ns)
{
	int64_t seconds = ns / NS_PER_S, rest = ns % NS_PER_S, days, of_day;
	char text[30] = "0000-00-00T00:00:00.000000000Z";
	unsigned year, month, day;

	if (rest < 0) {
		rest += NS_PER_S;
		seconds--;
	}
	days = seconds / 86400;
	of_day = seconds % 86400;
	if (of_day < 0) {
		of_day += 86400;
		days--;
	}
	date_of(days, &year, &month, &day);
	put_digits(text, 4, year);
	put_digits(text + 5, 2, month);
	put_digits(text + 8, 2, day);
	put_digits(text + 11, 2, (uint64_t)of_day / 3600);
	put_digits(text + 14, 2, (uint64_t)of_day / 60 % 60);
	put_digits(text + 17, 2, (uint64_t)of_day % 60);
	put_digits(text + 20, 9, (uint64_t)rest);
	buf_add(buf, (struct str){ text, sizeof(text) });
}

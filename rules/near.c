/* Edit distance over names that people write. */
#include "rules/near.h"

enum { LONGEST = 63 };

static char folded(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Two letters that changed places are one edit. */
size_t near_distance(struct str a, struct str b, size_t max)
{
	size_t rows[3][LONGEST + 1];

	if (a.len > LONGEST || b.len > LONGEST || a.len > b.len + max || b.len > a.len + max)
		return max + 1;
	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			char x = folded(a.at[i - 1]), y = folded(b.at[j - 1]);

			row[j] = least(above[j - 1] + (x != y), least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == folded(b.at[j - 2]) &&
			    y == folded(a.at[i - 2]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return least(rows[a.len % 3][b.len], max + 1);
}

/* Of a short name one letter may be wrong, of others two. */
struct near near_to(struct str name)
{
	return (struct near){ .name = name, .distance = name.len < 2 ? 0 : name.len < 5 ? 2 : 3 };
}

void near_try(struct near *near, struct str candidate)
{
	size_t d;

	if (near->distance == 0)
		return;
	d = near_distance(near->name, candidate, near->distance - 1);
	if (d < near->distance) {
		near->distance = d;
		near->best = candidate;
	}
}

/* tocsin audit: accepted = delivered + pending + dead + suppressed, recounted from the store. */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"
#include "hub/journal/journal.h"

#include <stdlib.h>
#include <string.h>

enum { BALANCES_MAX = 1024 };

static const char *data_dir, *store;

static const struct cli_option options[] = {
	{ "data-dir", 0, "DIR", "of --config, else /var/lib/tocsin", "the hub's data_dir", &data_dir, NULL },
	{ "store", 0, "FILE", "DIR/journal.db", "the store itself", &store, NULL },
	{ 0 },
};

static void add_row(const struct journal_balance *balance, struct table *table)
{
	const uint64_t numbers[] = { balance->accepted, balance->delivered, balance->pending, balance->dead,
		                     balance->suppressed };

	table_add(table, str_of(balance->output));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		table_addf(table, "%llu", (unsigned long long)numbers[i]);
	table_add(table, balance->holds ? STR("OK") : str_of(balance->fault));
}

static void add_json(const struct journal_balance *balance, struct buf *out)
{
	buf_add(out, STR("{\"output\":"));
	buf_add_json(out, str_of(balance->output));
	buf_addf(out, ",\"accepted\":%llu,\"delivered\":%llu,\"pending\":%llu,\"dead\":%llu,\"suppressed\":%llu",
	         (unsigned long long)balance->accepted, (unsigned long long)balance->delivered,
	         (unsigned long long)balance->pending, (unsigned long long)balance->dead,
	         (unsigned long long)balance->suppressed);
	buf_addf(out, ",\"holds\":%s,\"fault\":", balance->holds ? "true" : "false");
	buf_add_json(out, str_of(balance->fault));
	buf_add_char(out, '}');
}

static int print_balances(const struct journal_balance *balances, size_t count)
{
	struct table table = {
		.columns = 7,
		.heads = { "OUTPUT", "ACCEPTED", "DELIVERED", "PENDING", "DEAD", "SUPPRESSED", "RESULT" },
		.right = { false, true, true, true, true, true, false },
	};
	struct buf out = { 0 };
	bool holds = true;
	int status;

	for (size_t i = 0; i < count; i++)
		holds = holds && balances[i].holds;
	if (cli.json)
		buf_addf(&out, "{\"holds\":%s,\"outputs\":[", holds ? "true" : "false");
	for (size_t i = 0; i < count; i++) {
		if (cli.json && i > 0)
			buf_add_char(&out, ',');
		if (cli.json)
			add_json(&balances[i], &out);
		else
			add_row(&balances[i], &table);
	}
	if (cli.json)
		buf_add(&out, STR("]}\n"));
	else if (count > 0)
		table_print(&table, &out);
	else
		buf_add(&out, STR("no outputs in this store\n"));
	status = cli_print(&out);
	buf_done(&out);
	return status == CLI_YES && holds ? CLI_YES : CLI_NO;
}

static int audit(const char *path)
{
	struct journal_balance *balances = calloc(BALANCES_MAX, sizeof(*balances));
	char error[256] = "";
	int count, status;

	if (balances == NULL) {
		cli_complain("out of memory");
		return CLI_NO;
	}
	count = journal_audit(path, balances, BALANCES_MAX, error);
	if (count < 0) {
		if (*error == '\0')
			cli_complain("%s: %s", path, strerror(-count));
		else
			cli_complain("%s", error);
		status = CLI_NO;
	} else {
		status = print_balances(balances, (size_t)count);
	}
	free(balances);
	return status;
}

static int run(int argc, char **argv)
{
	struct buf path = { 0 };
	struct client client = { 0 };
	int status = CLI_YES;

	if (argc > 0)
		return cli_usage("%s: audit takes no argument", argv[0]);
	arena_init(&client.arena, 16 << 20);
	if (store == NULL && data_dir == NULL)
		status = client_data_dir(&client, &data_dir);
	if (store != NULL)
		buf_add(&path, str_of(store));
	else if (data_dir != NULL)
		buf_addf(&path, "%s/journal.db", data_dir);
	if (status == CLI_YES)
		status = buf_text(&path) == NULL ? CLI_NO : audit(path.at);
	buf_done(&path);
	client_close(&client);
	return status;
}

const struct cli_verb verb_audit = {
	.name = "audit",
	.arguments = "",
	.summary = "recount from the store what became of every alert at every output; 1 when it does not add up",
	.examples = "  tocsin audit                               the hub may run or not\n"
	            "  tocsin audit --data-dir /var/lib/tocsin\n"
	            "  tocsin audit --store backup/journal.db -o json",
	.needs = CLI_CONFIG | CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run,
};

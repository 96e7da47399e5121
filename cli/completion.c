/* tocsin completion: a completion script for a shell, made from the tables. */
#include "cli/cli.h"

#include <string.h>

static void add_words(struct buf *out)
{
	buf_add(out, STR("\tlocal verbs='"));
	for (size_t i = 0; cli_verbs[i] != NULL; i++) {
		const char *name = cli_verbs[i]->name;
		size_t len = strcspn(name, " ");

		/* "dead-letters list" and "dead-letters replay" begin alike and stand together */
		if (i > 0 && strncmp(cli_verbs[i - 1]->name, name, len + 1) == 0 && name[len] == ' ')
			continue;
		buf_addf(out, "%s%.*s", i > 0 ? " " : "", (int)len, name);
	}
	buf_add(out, STR("'\n"));
}

static void add_names(const struct cli_option *option, struct buf *out)
{
	for (; option != NULL && option->name != NULL; option++)
		buf_addf(out, "--%s ", option->name);
}

static void add_options(const struct cli_verb *verb, struct buf *out)
{
	add_names(verb->options, out);
	if (verb->needs & CLI_RULES)
		add_names(cli_rules_options, out);
	if (verb->needs & CLI_HUB)
		buf_add(out, STR("--url --token-file --ca-file "));
	if (verb->needs & (CLI_HUB | CLI_CONFIG))
		buf_add(out, STR("--config "));
	if (verb->needs & CLI_FORMAT)
		buf_add(out, STR("-o "));
	if (verb->needs & CLI_COLOR)
		buf_add(out, STR("--color "));
	buf_add(out, STR("--help"));
}

static void add_cases(struct buf *out)
{
	for (size_t i = 0; cli_verbs[i] != NULL; i++) {
		const char *blank = strchr(cli_verbs[i]->name, ' ');

		buf_addf(out, "\t'%s') words='", cli_verbs[i]->name);
		add_options(cli_verbs[i], out);
		buf_add(out, STR("' ;;\n"));
		if (blank != NULL)
			buf_addf(out, "\t'%.*s '*) words+=' %s' ;;&\n",
			         (int)(blank - cli_verbs[i]->name), cli_verbs[i]->name, blank + 1);
	}
}

static void add_bash(struct buf *out)
{
	buf_add(out, STR("# Completion of tocsin for bash: source <(tocsin completion bash)\n"
	                 "_tocsin() {\n"
	                 "\tlocal word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"));
	add_words(out);
	buf_add(out, STR("\tif [[ $COMP_CWORD -eq 1 ]]; then\n"
	                 "\t\tCOMPREPLY=($(compgen -W \"$verbs\" -- \"$word\")); return\n"
	                 "\tfi\n"
	                 "\tcase $previous in\n"
	                 "\t-o|--output-format) COMPREPLY=($(compgen -W 'text json' -- \"$word\")); return ;;\n"
	                 "\t--color) COMPREPLY=($(compgen -W 'auto always never' -- \"$word\")); return ;;\n"
	                 "\t--match) COMPREPLY=($(compgen -W 'first all' -- \"$word\")); return ;;\n"
	                 "\t--time-format) COMPREPLY=($(compgen -W 'local iso' -- \"$word\")); return ;;\n"
	                 "\t-p|--priority) COMPREPLY=($(compgen -W 'emergency alert critical error warning notice "
	                 "informational debug' -- \"$word\")); return ;;\n"
	                 "\tesac\n"
	                 "\tlocal name=${COMP_WORDS[1]}\n"
	                 "\t[[ $name == rules || $name == dead-letters ]] && name+=\" ${COMP_WORDS[2]}\"\n"
	                 "\tcase $name in\n"));
	add_cases(out);
	buf_add(out, STR("\tesac\n"
	                 "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	                 "}\n"
	                 "complete -o default -F _tocsin tocsin\n"));
}

static int run(int argc, char **argv)
{
	struct buf out = { 0 };
	int status;

	if (argc != 1 || strcmp(argv[0], "bash") != 0)
		return cli_usage("completion knows one shell: bash");
	add_bash(&out);
	status = cli_print(&out);
	buf_done(&out);
	return status;
}

const struct cli_verb verb_completion = {
	.name = "completion",
	.arguments = "bash",
	.summary = "print a completion script for the shell",
	.examples = "  source <(tocsin completion bash)",
	.run = run,
};

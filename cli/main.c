/* tocsin: the operator's command. */
#include "base/http.h"
#include "cli/cli.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	if (http_global_init() < 0) {
		fputs("tocsin: cannot start\n", stderr);
		return CLI_NO;
	}
	return cli_main(argc, argv);
}

/* tocsin tail --node: what happens on a node now, whether or not a rule says so. */
#ifndef CLI_TAIL_NODE_H
#define CLI_TAIL_NODE_H

#include "cli/client.h"

struct tail_node {
	const char *node, *filter;
	const char *duration; /* "30s" */
	const char *rate;
	bool follow; /* what matches and all that it begins */
};

/* An exit status. */
int tail_node(const struct client *client, const struct tail_node *settings);

#endif

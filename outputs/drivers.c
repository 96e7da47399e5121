/* The list of all drivers, and what every driver over HTTP reads into a status. */
#include "outputs/verdict.h"

#include <stdarg.h>
#include <stdio.h>

extern const struct output_ops output_webhook, output_slack, output_stdout, output_file;
#ifdef HAVE_KAFKA
extern const struct output_ops output_kafka;
#endif
#ifdef HAVE_REDIS
extern const struct output_ops output_redis;
#endif

const struct output_ops *const output_drivers[] = {
	&output_webhook,
	&output_slack,
#ifdef HAVE_KAFKA
	&output_kafka,
#endif
#ifdef HAVE_REDIS
	&output_redis,
#endif
	&output_file,
	&output_stdout,
	NULL,
};

const struct output_ops *output_driver_find(struct str type)
{
	for (size_t i = 0; output_drivers[i] != NULL; i++)
		if (str_eq(str_of(output_drivers[i]->type), type))
			return output_drivers[i];
	return NULL;
}

enum output_verdict output_verdict_of_http(int status)
{
	if (status >= 200 && status < 300)
		return OUTPUT_DELIVERED;
	switch (status) {
	case 408: /* request timeout */
	case 425: /* too early */
	case 429: return OUTPUT_LATER;
	case 401:
	case 403:
	case 404:
	case 405: /* the method is a setting: every alert would be refused */
	case 407: /* the proxy wants a password */
	case 410: return OUTPUT_BROKEN;
	default: break;
	}
	if (status >= 300 && status < 400)
		return OUTPUT_BROKEN; /* it has moved: the address is a setting */
	return status >= 400 && status < 500 ? OUTPUT_NEVER : OUTPUT_LATER;
}

void delivery_settle(struct delivery *delivery, enum output_verdict verdict, const char *format, ...)
{
	va_list arguments;

	delivery->verdict = verdict;
	va_start(arguments, format);
	vsnprintf(delivery->note, sizeof(delivery->note), format, arguments);
	va_end(arguments);
}

void call_settle(struct output_call *call, size_t from, enum output_verdict verdict,
                 const char *format, ...)
{
	char note[OUTPUT_NOTE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(note, sizeof(note), format, arguments);
	va_end(arguments);
	for (size_t i = from; i < call->count; i++)
		if (call->deliveries[i].verdict == OUTPUT_UNTRIED)
			delivery_settle(&call->deliveries[i], verdict, "%s", note);
}

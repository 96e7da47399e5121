/* A recording: the reader, and then, as records are played back, the process table and all that makes an
 * event of a record. The input is what stands behind the header, so that the form of the header can change. */
#include "base/cleanup.h"
#include "sensor/enrich.h"
#include "sensor/replay.h"
#include "sensor/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct fields *fields;
	struct procs *procs;
	struct names *users, *groups;
	struct enrich *enrich;
	struct buf out;
};

static void take(const struct record *record, void *userdata)
{
	const struct wire_sensor sensor = { STR("id"), STR("boot"), STR("replay") };
	struct world *world = userdata;
	const struct event *event = enrich_record(world->enrich, record, 1);

	if (event == NULL)
		abort();
	enrich_late(world->enrich, event);
	buf_clear(&world->out);
	wire_add_event(&world->out, event, world->fields, &sensor, 1);
	if (record->type == RECORD_EXIT)
		procs_forget(world->procs, record);
}

static void play(struct replay *replay)
{
	struct world world = { .fields = fields_new(), .procs = procs_new("/nonexistent"),
			       .users = replay_users(replay), .groups = replay_groups(replay) };
	const struct enrich_settings settings = { .fields = world.fields, .procs = world.procs,
						  .users = world.users, .groups = world.groups,
						  .hostname = STR("host") };

	if (enrich_new(&settings, &world.enrich) < 0)
		abort();
	for (size_t i = 0; i < fields_count(world.fields); i++)
		enrich_want(world.enrich, (field_id)i);
	replay_fill(replay, world.procs);
	while (probe_replay.poll(replay, 0, take, &world) > 0)
		;
	enrich_free(world.enrich);
	procs_free(world.procs);
	names_free(world.users);
	names_free(world.groups);
	fields_free(world.fields);
	buf_done(&world.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct recording_host host = { .hostname = "host" };
	struct buf bytes = { 0 };
	struct replay *replay = NULL;
	FILE *file;

	recording_add_header(&bytes, &host);
	buf_add(&bytes, (struct str){ (const char *)data, size });
	file = fmemopen(bytes.at, bytes.len, "r");
	if (file == NULL || replay_open(file, &replay) < 0)
		abort();
	play(replay);
	replay_close(replay);
	buf_done(&bytes);
	return 0;
}

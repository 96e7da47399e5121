/* The sensor's own thread at the gate: rules are asked about files that the kernel is about to open or to run. */
#include "sensor/gate/gate.h"

#include "base/cleanup.h"
#include "sensor/record_text.h"
#include "sensor/sensor_inner.h"

#include <errno.h>
#include <fcntl.h>

/* That it is refused the probe will see as well. */
static void await_end(struct sensor *sensor, const struct record *record)
{
	sensor->refused[sensor->refused_count++ % SENSOR_REFUSED_MAX] = (struct sensor_refused){ record->tid, record->nr };
	sensor->told_at_gate[record->class]++;
}

/* Opened to read or to write, nobody knows: then it must match either way. */
static bool matches_to_read(struct sensor *sensor, struct record *record)
{
	const struct event *event;

	record->args[4] = O_RDONLY;
	event = enrich_record(sensor->enrich, record, sensor->boot_offset_ns);
	record->args[4] = O_WRONLY;
	return event != NULL && enforce_would(sensor->enforce, event);
}

static int judge(struct record *record, bool either, void *userdata)
{
	struct sensor *sensor = userdata;
	int r;

	procs_complete(sensor->procs, record);
	if (either && !matches_to_read(sensor, record))
		return 0;
	r = sensor_ask(sensor, record, true);
	if (r < 0)
		await_end(sensor, record);
	return r;
}

void sensor_poll_gate(struct sensor *sensor)
{
	struct gate *gate = enforce_gate(sensor->enforce);

	if (gate != NULL)
		gate_poll(gate, judge, sensor);
}

static void see_program(struct sensor *sensor, const struct record *record)
{
	const struct proc *proc = procs_find(sensor->procs, record->tgid);
	struct str cgroup = record_text(record, RECORD_STRING_CGROUP);

	if ((proc != NULL && proc->container.len > 0) || (cgroup.at != NULL && container_of_cgroup(cgroup).len > 0))
		gate_see(enforce_gate(sensor->enforce), record->tgid, record->cgroup_id);
}

bool sensor_gate_knows(struct sensor *sensor, const struct record *record)
{
	if (enforce_gate(sensor->enforce) == NULL)
		return false;
	if (record->type == RECORD_EXEC)
		see_program(sensor, record);
	if (record->type != RECORD_CALL || record->ret != -EPERM || sensor->refused_count == 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(sensor->refused); i++) {
		struct sensor_refused *refused = &sensor->refused[i];

		if (refused->tid != record->tid || refused->nr != record->nr)
			continue;
		*refused = (struct sensor_refused){ 0 };
		return true;
	}
	return false;
}

void sensor_gate_counts(const struct sensor *sensor, struct probe_counts *counts)
{
	for (size_t i = 0; i < RECORD_CLASSES; i++) {
		counts->of[i].seen += sensor->told_at_gate[i];
		counts->of[i].emitted += sensor->told_at_gate[i];
	}
}

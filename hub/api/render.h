/* What the API says, as JSON. Pure: knows no HTTP and asks nobody. */
#ifndef HUB_API_RENDER_H
#define HUB_API_RENDER_H

#include "hub/deliver/deliver.h"
#include "hub/journal/journal.h"

/* {"seq":…,"received":…,"change":…,"incident":…,"count":…,"alert":{…}} without the closing brace, so
 * that more members can follow. One line. */
void render_alert_open(struct buf *out, const struct alert *alert);

/* {"output":…,"state":"delivered|pending|dead|suppressed","reason":…,"attempts":…,"at":…,"note":…}; what
 * does not apply is left out. */
void render_trace(struct buf *out, const struct journal_trace *trace);

/* {"id":…,"output":…,"seq":…,"at":…,"attempts":…,"note":…,"alert":{…}} */
void render_letter(struct buf *out, const struct journal_letter *letter);

/* {"name":…,"type":…,"state":"idle|working|backoff|hold",…} */
void render_output(struct buf *out, const struct deliver_status *status);

/* "<time>" in quotes. */
void render_time(struct buf *out, int64_t ns);

#endif

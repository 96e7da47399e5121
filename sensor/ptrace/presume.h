/* An open, or an exec, as if it had worked, before it begins. */
#ifndef SENSOR_PTRACE_PRESUME_H
#define SENSOR_PTRACE_PRESUME_H

#include "sensor/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Puts what it would open, links followed, and the descriptor that it would get into a record that has its
 * arguments. False: that cannot be known, or it will fail by itself. */
bool presume_open(struct record *record, int presumed);

/* Of an open whose file is at hand: a descriptor of the sensor's. */
bool presume_put_object(struct record *record, int fd);

/* What a path from the root is to a process. */
bool presume_stat(uint32_t tid, const char *path, struct stat *ret);

/* Makes the record of an exec's entry, which has its arguments and its head, that of the program that would run:
 * its file, of a script its interpreter, its name and its arguments. Not as whom it would run, if not as who calls.
 * False: that cannot be known, or it will fail by itself. */
bool presume_exec(struct record *record);

/* The same where the file is at hand. Opens nothing to read it: of a script, which is asked about itself, the
 * interpreter. */
bool presume_exec_of(struct record *record, int file);

#endif

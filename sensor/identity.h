/* Who this sensor is: an id that stays, kept in a file, and one that is new at each start. */
#ifndef SENSOR_IDENTITY_H
#define SENSOR_IDENTITY_H

enum { IDENTITY_TEXT = 37 }; /* a UUID and its NUL */

/* The kernel's boot id, new each time that the machine starts; "" when it cannot be read. */
void identity_machine(char ret[IDENTITY_TEXT]);

/* A random UUID (RFC 9562 version 4). 0 or -errno. */
int identity_random(char ret[IDENTITY_TEXT]);

/* The id in FOLDER/id, made and written if there is none yet. When the folder cannot be written the
 * id is new and `ret_kept` false. 0 or -errno. */
int identity_of(const char *folder, char ret[IDENTITY_TEXT], _Bool *ret_kept);

/* An orderly end leaves the run's id in FOLDER/ended, and the next run takes it away: "" when it was not
 * there. */
void identity_end(const char *folder, const char *boot);
void identity_ended(const char *folder, char ret[IDENTITY_TEXT]);

#endif

/* Files that are worth knowing who reads them. Writing opens are always taken; reading opens only
 * of these, because programs read hundreds of files to start. */
#ifndef SENSOR_WATCHED_H
#define SENSOR_WATCHED_H

/* Absolute path prefixes, at most 255 bytes; ends with NULL. */
extern const char *const watched_prefixes[];

/* Names of files, or of the folders they are in, wherever those are; at most 31 bytes. */
extern const char *const watched_names[];

#endif

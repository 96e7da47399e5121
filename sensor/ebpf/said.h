/* What libbpf says while it loads programs: kept for who asks why they did not load. */
#ifndef SENSOR_EBPF_SAID_H
#define SENSOR_EBPF_SAID_H

/* From now on libbpf's warnings are log lines of level debug, of the verifier's text the last ones. */
void said_listen(void);

/* Why the programs did not load, which program if libbpf named one. */
const char *said_why(void);

#endif

/* The service manager's readiness protocol (sd_notify(3)): one datagram, written ourselves. */
#ifndef HUB_NOTIFY_H
#define HUB_NOTIFY_H

/* Sends lines such as "READY=1\nSTATUS=…" to $NOTIFY_SOCKET; does nothing without it. */
void notify_manager(const char *text);

#endif

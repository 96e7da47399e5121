/* The lists of paths whose reading is observed. */
#include "sensor/watched.h"

#include <stddef.h>

/* clang-format off */
const char *const watched_prefixes[] = {
	"/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/pam.conf", "/etc/pam.d/",
	"/etc/security/", "/etc/master.passwd", "/etc/krb5.keytab", "/etc/ssl/private/",
	"/etc/kubernetes/", "/var/lib/kubelet/", "/var/run/secrets/", "/run/secrets/",
	"/run/credentials/", "/etc/ssh/ssh_host_", "/etc/rancher/",
	"/dev/mem", "/dev/kmem", "/dev/port", "/dev/sd", "/dev/nvme", "/dev/vd", "/dev/xvd", "/dev/dm-",
	"/dev/hd", "/dev/mmcblk",
	"/proc/kcore", "/proc/kallsyms", "/proc/1/environ", "/proc/sched_debug",
	"/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/sched_debug",
	"/sys/kernel/debug/sched", "/sys/kernel/security/", "/boot/System.map",
	NULL,
};

const char *const watched_names[] = {
	"shadow", "gshadow", "sudoers", "passwd-",
	".ssh", "authorized_keys", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",
	".aws", ".kube", ".docker", ".gnupg", "gcloud", ".azure", "credentials", "kubeconfig",
	".bash_history", ".zsh_history", ".mysql_history", ".psql_history", ".netrc", ".pgpass",
	".git-credentials", ".npmrc", ".pypirc", "environ",
	".vault-token", ".my.cnf", ".terraform.d", "token", "id_ecdsa_sk", "id_ed25519_sk",
	"release_agent", "core_pattern", "kcore", "mem",
	NULL,
};
/* clang-format on */

/* The ways in their order, and which of them a machine has. */
#include "sensor/containers/way.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <sys/stat.h>

/* Files first: they are there before the container's first process, and nobody needs to answer. */
const struct way *const ways[WAYS] = { &way_runc, &way_bundle, &way_storage, &way_docker_files,
				       &way_cri, &way_sockets };

bool way_can_ask(const struct container_id *id)
{
	if (id->len == 0 || (id->is_name && id->kind != CONTAINER_KIND_CONTAINERD))
		return false;
	for (size_t i = 0; i < id->len; i++) {
		char c = id->text[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (i > 0 && (c == '-' || c == '_' || c == '.'))))
			return false;
	}
	return true;
}

static const struct trace {
	const char *runtime, *path, *gives;
	bool is_socket;
} traces[] = {
	{ "Docker", "/run/docker.sock", "names, images, labels", true },
	{ "Docker", "/var/lib/docker/containers", "names, images, labels", false },
	{ "Podman", "/run/podman/podman.sock", "names, images, labels", true },
	{ "Podman or CRI-O", "/var/lib/containers/storage/overlay-containers", "names, images", false },
	{ "containerd", "/run/containerd/runc", "names, images, pods, mounts", false },
	{ "containerd", "/run/containerd/io.containerd.runtime.v2.task", "names, images, pods, mounts", false },
	{ "k3s", "/run/k3s/containerd/io.containerd.runtime.v2.task", "names, images, pods, mounts", false },
	{ "containerd", "/run/containerd/containerd.sock", "pod labels", true },
	{ "k3s", "/run/k3s/containerd/containerd.sock", "pod labels", true },
	{ "CRI-O", "/run/crio/crio.sock", "labels, pod labels", true },
	{ "runc", "/run/runc", "pods, mounts, privileges", false },
	{ "crun", "/run/crun", "pods, mounts, privileges", false },
};

unsigned ways_describe(const char *root, void (*line)(const char *text, void *userdata), void *userdata)
{
	unsigned found = 0;

	for (size_t i = 0; i < ARRAY_LEN(traces); i++) {
		char path[4096], text[4352];
		struct stat st;
		int len = snprintf(path, sizeof(path), "%s%s", root, traces[i].path);

		if (len < 0 || (size_t)len >= sizeof(path) || stat(path, &st) < 0 ||
		    (traces[i].is_socket ? !S_ISSOCK(st.st_mode) : !S_ISDIR(st.st_mode)))
			continue;
		found++;
		snprintf(text, sizeof(text), "%s (%s): %s%s", traces[i].runtime, path, traces[i].gives,
			 access(path, R_OK) == 0 ? "" : ", but it cannot be read");
		line(text, userdata);
	}
	return found;
}

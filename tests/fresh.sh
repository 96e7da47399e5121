#!/usr/bin/env bash
# What the README and deploy/container promise of a machine where nobody installed anything: a Debian 12 of its own is
# made, in a container, and there the quickstart runs and the sensor's image is built. By hand, for it fetches some
# 700 MB of packages: tests/fresh.sh [quickstart|image|tests]…   (default: quickstart image; tests: all of tests/run.sh)
#
# As root; wants debootstrap, podman and runc. Keeps the image of Debian (podman rmi tocsin-fresh), and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
podman=(podman --runtime=runc --cgroup-manager=cgroupfs)
limits=(--network=host --ulimit nofile=1024:1024 --ulimit nproc=1024:1024) # raising them wants CAP_SYS_RESOURCE
work=$(mktemp -d /tmp/tocsin-fresh.XXXXXX)
trap 'rm -rf "$work"' EXIT

if ! podman image exists localhost/tocsin-fresh; then
	debootstrap --variant=minbase bookworm "$work/debian" >"$work/log" 2>&1 || { tail -5 "$work/log"; exit 1; }
	tar -C "$work/debian" -c . | podman import - localhost/tocsin-fresh
	rm -rf "$work/debian"
fi
git clone -q "$root" "$work/w/main"
if [ -d "$root/../shared" ]; then
	cp -r "$root/../shared" "$work/w/shared"
fi

inside() { # in a container that may do what root on a machine may
	"${podman[@]}" run --rm --privileged --pid=host "${limits[@]}" -v "$work/w:/w" localhost/tocsin-fresh bash -c "cd /w/main && $1" </dev/null
}

for step in ${*:-quickstart image}; do
	case $step in
	quickstart) inside 'bash deploy/quickstart.sh --once' ;;
	tests) inside 'CI=true bash tests/run.sh' ;;
	image)
		podman tag localhost/tocsin-fresh docker.io/library/debian:12
		"${podman[@]}" build --pull=never "${limits[@]}" -t tocsin-sensor -f "$work/w/main/deploy/container/Containerfile" "$work/w/main"
		"${podman[@]}" run --rm "${limits[@]}" --user 65534:65534 --cap-drop=all --read-only tocsin-sensor run --print --all-events -- \
			/opt/tocsin/bin/tocsin-sensor --version ;;
	*) echo "tests/fresh.sh: unknown step $step" >&2; exit 2 ;;
	esac
done

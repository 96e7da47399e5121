#!/usr/bin/env bash
# The sensor under kernels that this machine does not run: each is booted in qemu, which emulates the processor
# (TOCSIN_KERNELS_ACCEL=kvm where that works), over this machine's own root, read-only; there `--doctor` speaks and the sensor's tests run. By
# hand, for it fetches 50 to 100 MB a kernel and takes minutes: tests/kernels.sh [--hybrid] [VERSION…] [-- COMMAND…]
#
#   5.10 Debian 11   5.15 Ubuntu 22.04   6.1 Debian 12   6.8 Ubuntu 24.04   6.12 Debian 12's backports, and Debian 13
#
# Wants qemu-system-x86, busybox-static and cpio, and TOCSIN_BUILD, a build with its tests (default: build/release).
# --hybrid: the cgroups' old hierarchies with the unified one beside them; the default is the unified one alone. With a
# COMMAND that alone runs, in this folder, as root, with /tmp, /var, /run and /etc of its own. Kernels are kept below
# $TOCSIN_CACHE (default: ~/.cache/tocsin).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
cache=${TOCSIN_CACHE:-$HOME/.cache/tocsin}/kernels
export TOCSIN_BUILD=${TOCSIN_BUILD:-$root/build/release}
work=$(mktemp -d /tmp/tocsin-kernels.XXXXXX)
machine= # qemu's process
trap '[ -z "$machine" ] || kill "$machine" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
limit=${TOCSIN_KERNELS_LIMIT:-3600} # seconds a kernel
layout=unified
versions=()
command=()
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; command=("$@"); break ;;
	--hybrid) layout=hybrid ;;
	*) versions+=("$1") ;;
	esac
	shift
done
[ ${#versions[@]} -gt 0 ] || versions=(5.10 5.15 6.1 6.8 6.12)
if [ ${#command[@]} -eq 0 ]; then
	command=(bash -c '"$TOCSIN_BUILD/sensor/tocsin-sensor" --doctor; exec python3 -m pytest -q -rfEs -p no:cacheprovider \
		tests/kernels tests/integration/test_{sensor,interest,calls,run,attach,notify}.py')
fi

debian=(http://deb.debian.org/debian main /usr/share/keyrings/debian-archive-keyring.gpg)
ubuntu=(http://archive.ubuntu.com/ubuntu main "$cache/ubuntu.gpg")

apt() { # FOLDER COMMAND…: apt-get or apt-cache with lists of its own
	local at=$1 tool=$2
	shift 2
	"$tool" -qq -o Dir::State="$at/state" -o Dir::State::status="$at/state/status" -o Dir::Cache="$at/cache" \
		-o Dir::Etc::sourcelist="$at/sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root "$@"
}

lists() { # FOLDER URL SUITE COMPONENT KEY
	mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
	touch "$1/state/status"
	echo "deb [arch=amd64 signed-by=$5] $2 $3 $4" >"$1/sources"
	apt "$1" apt-get update
}

# Ubuntu's key is in a package of Debian's.
ubuntu_key() {
	[ -f "$cache/ubuntu.gpg" ] && return
	lists "$work/key" "${debian[0]}" trixie "${debian[@]:1}"
	(cd "$work" && apt "$work/key" apt-get download ubuntu-keyring && dpkg-deb -x ubuntu-keyring_*.deb key)
	cp "$work"/key/usr/share/keyrings/ubuntu-archive-keyring.gpg "$cache/ubuntu.gpg"
}

fetch() { # VERSION: the newest kernel of its line, once
	local at=$work/fetched name
	[ -f "$cache/$1/vmlinuz" ] && return
	rm -rf "$at"
	mkdir -p "$at"
	case $1 in
	5.10) lists "$at/apt" "${debian[0]}" bullseye "${debian[@]:1}" ;;
	6.1) lists "$at/apt" "${debian[0]}" bookworm "${debian[@]:1}" ;;
	6.12) lists "$at/apt" "${debian[0]}" trixie "${debian[@]:1}" ;;
	5.15) ubuntu_key; lists "$at/apt" "${ubuntu[0]}" jammy-updates "${ubuntu[@]:1}" ;;
	6.8) ubuntu_key; lists "$at/apt" "${ubuntu[0]}" noble-updates "${ubuntu[@]:1}" ;;
	*) echo "tests/kernels.sh: unknown kernel $1" >&2; return 2 ;;
	esac
	case $1 in
	5.15 | 6.8) name=$(apt "$at/apt" apt-cache depends linux-image-generic | sed -n 's/.*Depends: linux-image-\([0-9]\)/\1/p') ;;
	*) name=$(apt "$at/apt" apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: linux-image-\([0-9]\)/\1/p') ;;
	esac
	(cd "$at" && apt "$at/apt" apt-get download "linux-image-$name" && case $1 in 5.15 | 6.8) apt "$at/apt" apt-get download "linux-modules-$name" ;; esac)
	for package in "$at"/*.deb; do
		dpkg-deb -x "$package" "$at/tree"
	done
	pack "$at" "$name"
	mv "$at/tree/boot/vmlinuz-$name" "$at/vmlinuz"
	mkdir -p "$cache/$1"
	mv "$at/first.gz" "$at/vmlinuz" "$cache/$1/"
	rm -rf "$at"
}

# The first root: enough modules to reach the second one, and those that tests may ask for.
pack() { # FOLDER NAME
	local from to=$1/first/lib/modules/$2
	mkdir -p "$1"/first/{bin,proc,sys,dev,tmp,host} "$to"
	from=$(dirname "$(find "$1/tree" -path "*/modules/$2/modules.order")")
	cp "$from"/modules.{order,builtin*} "$to"
	(cd "$from" && find kernel -regex 'kernel/\(drivers/virtio\|net/9p\|fs/\(9p\|netfs\|fscache\|overlayfs\)\)/.*\.ko[.xzst]*' | cpio -pdm --quiet "$to")
	find "$to" -name '*.xz' -exec unxz {} +
	find "$to" -name '*.zst' -exec unzstd -q --rm {} +
	busybox depmod -b "$1/first" "$2"
	cp "$(command -v busybox)" "$1/first/bin"
	cat >"$1/first/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs dev /dev
		for module in virtio_pci 9pnet_virtio 9p overlay; do modprobe $module; done
		mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=500000 host /host || poweroff -f
		mount -t tmpfs -o size=1g,mode=1777 tmp /host/tmp
		mkdir /host/tmp/out
		mount -t 9p -o trans=virtio,version=9p2000.L out /host/tmp/out
		for at in proc sys dev; do mount --move /$at /host/$at; done
		exec switch_root /host /bin/bash /tmp/out/second
	END
	chmod +x "$1/first/init"
	(cd "$1/first" && find . | cpio -o -H newc --quiet | gzip -1) >"$1/first.gz"
}

# What the second root runs: it makes of a copy of this machine what a system has.
second() {
	cat <<-END
		export PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin HOME=/tmp/home PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8
		export TOCSIN_BUILD='$TOCSIN_BUILD' ASAN_OPTIONS='${ASAN_OPTIONS:-}'
		{
			mkdir -p /tmp/etc /dev/pts /dev/shm \$HOME
			cp -a /etc/. /tmp/etc && mount --bind /tmp/etc /etc
			mount -t devpts devpts /dev/pts
			for at in /run /var /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs \$at; done
			mkdir -p /var/tmp /var/lib /var/log /run/lock
			ln -sf /proc/self/fd /dev/fd; ln -sf /proc/self/fd/0 /dev/stdin; ln -sf /proc/self/fd/1 /dev/stdout; ln -sf /proc/self/fd/2 /dev/stderr
			busybox ip link set lo up
			hostname kernel-$version
			ulimit -n 65536
			for at in tracing debug security; do mount -t \${at/tracing/trace}fs none /sys/kernel/\$at; done
			mount -t bpf bpf /sys/fs/bpf
			if [ $layout = hybrid ]; then
				mount -t tmpfs cgroup /sys/fs/cgroup
				for at in cpu cpuset memory devices freezer blkio pids; do
					mkdir -p /sys/fs/cgroup/\$at && mount -t cgroup -o \$at cgroup /sys/fs/cgroup/\$at
				done
				mkdir /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
			else
				mount -t cgroup2 cgroup2 /sys/fs/cgroup
			fi
		} >/tmp/out/setup 2>&1
		cd '$root'
		setsid $(printf '%q ' "${command[@]}") </dev/null >/tmp/out/output 2>&1
		echo \$? >/tmp/out/status
		sync; echo o >/proc/sysrq-trigger; sleep 60
	END
}

boot() { # VERSION
	local version=$1
	rm -rf "$work/out"
	mkdir "$work/out"
	touch "$work/out/output"
	second >"$work/out/second"
	tail -f -n +1 -s 1 --pid=$$ "$work/out/output" &
	local tail=$!
	timeout --foreground "$limit" qemu-system-x86_64 -accel "${TOCSIN_KERNELS_ACCEL:-tcg}" -cpu max -smp 2 -m "${TOCSIN_KERNELS_MB:-3072}" -no-reboot -display none -monitor none \
		-kernel "$cache/$1/vmlinuz" -initrd "$cache/$1/first.gz" -append 'console=ttyS0 panic=-1 loglevel=4 mitigations=off' \
		-serial "file:$work/console" -nic none -device virtio-rng-pci \
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=host,mount_tag=host \
		-fsdev "local,id=out,path=$work/out,security_model=none" -device virtio-9p-pci,fsdev=out,mount_tag=out </dev/null &
	machine=$!
	wait "$machine" || true
	machine=
	sleep 1
	kill $tail
	wait $tail 2>/dev/null || true
	[ -f "$work/out/status" ] || { tail -30 "$work/console"; echo "kernel $1 did not come to an end"; return 1; }
	return "$(cat "$work/out/status")"
}

summary=
failed=0
for version in "${versions[@]}"; do
	fetch "$version"
	printf '\n== kernel %s, cgroups %s\n' "$version" "$layout"
	verdict=passed
	boot "$version" || { verdict=FAILED; failed=1; }
	counts=$(grep -E '^[0-9]+ (passed|failed|skipped|error).* in ' "$work/out/output" | tail -1 || true)
	summary+="kernel $version: $verdict${counts:+, $counts}"$'\n'
done
printf '\n%s' "$summary"
exit $failed

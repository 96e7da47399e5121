#!/usr/bin/env bash
# Tocsin in one command on a bare Debian 12: installs what it needs, builds, starts hub and sensor on this
# machine, and shows the classic demonstration: somebody writes below /bin, the alert rings.
#
#   bash deploy/quickstart.sh          runs until Ctrl-C, then leaves nothing behind
#   bash deploy/quickstart.sh --keep   leaves hub and sensor running
#   bash deploy/quickstart.sh --once   ends by itself after the demonstration
#
# Everything it makes stays below one temporary folder, but the build, which is kept in build/release, and
# the Debian packages, which deploy/setup.sh lists before it installs them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${TOCSIN_BUILD:-$root/build/release}
mode=${1:-}
case $mode in
'' | --keep | --once) ;;
*) sed -n '2,11p' "$0" | sed 's/^# \{0,1\}//'; exit 2 ;;
esac
target=/bin/surprise
work=
hub=
sensor=
tail=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

clean_up() {
	trap - EXIT INT TERM
	[ -z "$tail" ] || kill "$tail" 2>/dev/null || true
	if [ "$mode" = --keep ] && [ -n "${ready:-}" ]; then
		echo
		echo "hub (pid $hub) and sensor (pid ${sensor:-none}) go on. To end them and remove all they keep:"
		echo "  kill $hub ${sensor:-}; rm -rf $work"
		exit 0
	fi
	[ -z "$sensor" ] || kill "$sensor" 2>/dev/null || true
	[ -z "$sensor" ] || wait "$sensor" 2>/dev/null || true
	[ -z "$hub" ] || kill "$hub" 2>/dev/null || true
	[ -z "$hub" ] || wait "$hub" 2>/dev/null || true
	[ -z "${touched:-}" ] || rm -f "$target"
	[ -z "$work" ] || rm -rf "$work"
	exit "${status:-0}"
}
trap 'status=130; clean_up' INT TERM
trap 'status=$?; clean_up' EXIT

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

wait_for() { # SECONDS COMMAND…
	local tries=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

say "1. What it needs"
bash "$root/deploy/setup.sh"

say "2. Building (into $build)"
mkdir -p "$build"
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >"$build/setup.log" || { tail -20 "$build/setup.log"; exit 1; }
ninja -C "$build" hub/tocsin-hub sensor/tocsin-sensor cli/tocsin | tail -1

work=$(mktemp -d /tmp/tocsin.XXXXXX)
ingest=$(free_port)
admin=$(free_port)
cat >"$work/tocsin.yaml" <<END
listen: 127.0.0.1:$ingest
data_dir: $work/data
admin: {listen: "127.0.0.1:$admin"}
rules_files: [$root/rules]
outputs:
  file: {type: file, path: $work/alerts.json}
END

say "3. Starting the hub"
"$build/hub/tocsin-hub" --config "$work/tocsin.yaml" 2>"$work/hub.log" &
hub=$!
wait_for 10 curl -sf "http://127.0.0.1:$ingest/readyz" || { cat "$work/hub.log"; exit 1; }
cat "$work/hub.log"
export TOCSIN_URL=http://127.0.0.1:$admin

say "4. Starting the sensor"
run_sensor=("$build/sensor/tocsin-sensor" --hub "http://127.0.0.1:$ingest" --spool-dir "$work/spool")
"$build/sensor/tocsin-sensor" --doctor || true
if "$build/sensor/tocsin-sensor" --doctor 2>&1 | grep -qi '^probe: *ebpf'; then
	"${run_sensor[@]}" --probe ebpf 2>"$work/sensor.log" &
	sensor=$!
	wait_for 10 grep -q '^start: ' "$work/sensor.log" || { cat "$work/sensor.log"; exit 1; }
	cat "$work/sensor.log"
fi

say "5. The web UI"
"$build/cli/tocsin" login --token-file "$work/data/admin.token"

say "6. Somebody writes below /bin (alerts appear here as they arrive)"
"$build/cli/tocsin" tail --token-file "$work/data/admin.token" &
tail=$!
sleep 0.5
[ -e "$target" ] || touched=yes
printf '\n$ touch %s\n' "$target"
if [ -n "$sensor" ]; then
	bash -c "touch $target; true"
else
	"${run_sensor[@]}" --probe ptrace -- bash -c "touch $target; true" 2>"$work/sensor.log"
fi
begin=$(date +%s%N)
wait_for 10 grep -q surprise "$work/alerts.json" || { echo "no alert came; the sensor says:"; cat "$work/sensor.log"; status=1; exit 1; }
printf '\n(the alert was delivered %d ms after the touch)\n' $((($(date +%s%N) - begin) / 1000000))
ready=yes
sleep 0.5
[ "$mode" != --once ] || exit 0
[ "$mode" != --keep ] || { rm -f "$target"; exit 0; }
echo
echo "Ctrl-C ends hub and sensor and removes everything. Try: sudo cat /etc/shadow, or open the web UI."
wait "$hub"

#!/usr/bin/env bash
# Sets up, builds with sanitizers, runs every test, and closes with one line:
#   N passed, N failed, N skipped
# Usage: tests/run.sh [unit|integration|browser|tsan|clang]…   (default: all)
#
# Builds below $TOCSIN_BUILD_ROOT (default: build/ in the checkout); downloads (Kafka's jars) below
# $TOCSIN_CACHE (default: ~/.cache/tocsin).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
builds=${TOCSIN_BUILD_ROOT:-$root/build}
steps=${*:-unit tsan clang integration browser}
results=$builds/results
rm -rf "$results"
mkdir -p "$results"
failed_steps=0

say() { printf '\n== %s\n' "$*"; }

# configure NAME MESON-OPTION…: makes or reuses a build directory, then builds all of it.
build() {
	local name=$1
	shift
	[ -f "$builds/$name/build.ninja" ] || meson setup "$builds/$name" -Dtests=enabled "$@" >"$results/setup-$name.log" 2>&1 ||
		{ tail -20 "$results/setup-$name.log"; return 1; }
	ninja -C "$builds/$name" >"$results/build-$name.log" 2>&1 ||
		{ grep -E -A4 'error|FAILED' "$results/build-$name.log" | head -60; return 1; }
}

unit() { # BUILD SUITE-ARGUMENT…
	local name=$1
	shift
	meson test -C "$builds/$name" --print-errorlogs --no-rebuild "$@" >"$results/unit-$name.log" 2>&1
	local status=$?
	grep -E '^ *[0-9]+/[0-9]+ .*(FAIL|ERROR|TIMEOUT)|^✀|stderr' -A12 "$results/unit-$name.log" | head -80
	cp "$builds/$name/meson-logs/testlog.junit.xml" "$results/unit-$name.xml" 2>/dev/null
	return $status
}

python_tests() { # NAME BUILD FOLDER PYTEST-ARGUMENT…
	local name=$1 build=$2 folder=$3
	shift 3
	local run=(env "TOCSIN_BUILD=$builds/$build" /usr/bin/python3 -m pytest -q -rs -o "cache_dir=$results/cache-$name" "$@" "$folder")
	"${run[@]}" --junitxml "$results/$name.xml"
	local status=$?
	# Real servers on a busy machine: what fails is asked once more alone, and named even if it passes then.
	[ $status = 1 ] || return $status
	say "$name: once more what failed"
	"${run[@]}" --last-failed --last-failed-no-failures none --junitxml "$results/$name-again.xml"
}

step() {
	case $1 in
	unit)
		say "unit tests and fuzz corpora (gcc, ASan, UBSan)"
		build asan -Db_sanitize=address,undefined -Dbuildtype=debugoptimized && unit asan --suite unit --suite fuzz --suite lint ;;
	tsan)
		say "unit tests of what has threads (gcc, TSan)"
		build tsan -Db_sanitize=thread -Dbuildtype=debugoptimized && unit tsan --suite threads ;;
	clang)
		say "clang takes it without a warning, fuzzers included"
		CC=clang build clang -Dfuzz=true -Db_lundef=false ;;
	integration)
		say "integration tests (real servers, real kernel)"
		build asan -Db_sanitize=address,undefined -Dbuildtype=debugoptimized &&
			build release && python_tests integration asan tests/integration ;;
	browser)
		say "browser tests (Chromium)"
		build asan -Db_sanitize=address,undefined -Dbuildtype=debugoptimized &&
			python_tests browser asan tests/browser ;;
	*)
		echo "tests/run.sh: unknown step $1" >&2
		return 2 ;;
	esac
}

bash deploy/setup.sh --tests || exit 1
for name in $steps; do
	step "$name" || { failed_steps=$((failed_steps + 1)); echo "-- $name: failed"; }
done
/usr/bin/python3 tests/summary.py "$results" "$failed_steps"

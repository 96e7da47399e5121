#!/usr/bin/env bash
# Installs what Tocsin needs to be built (and, with --tests, tested) on Debian 12. Says what it installs;
# does nothing when all is there. Needs root for the installation itself.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/packages.sh"

wanted=$build_packages
[ "${1:-}" = --tests ] && wanted="$wanted $test_packages"

missing=()
for package in $wanted; do
	dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "setup: every package is there"
	exit 0
fi
echo "setup: installing ${#missing[@]} Debian packages: ${missing[*]}"
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $sudo apt-get update -q && $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -30 "$log" >&2
	echo "setup: apt-get failed" >&2
	exit 1
fi

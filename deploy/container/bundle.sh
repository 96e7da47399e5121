#!/bin/bash
# Puts a sensor and every library that it needs below one folder that can be copied into any image, whatever C library
# that has: bundle.sh PROGRAM FOLDER. A program that was linked for the folder's loader starts as it is (see
# Containerfile), any other one by
#
#   FOLDER/lib/ld.so --library-path FOLDER/lib FOLDER/bin/tocsin-sensor run …
set -euo pipefail

program=$1
folder=$2
mkdir -p "$folder/bin" "$folder/lib" "$folder/etc"
cp "$program" "$folder/bin/tocsin-sensor"

# "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)", and the loader's line without an arrow.
ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
	cp -L "$library" "$folder/lib/"
done
loader=$(ldd /bin/true | awk '$1 ~ /^\/.*ld-/ { print $1 }')
cp -L "$loader" "$folder/lib/ld.so"

# Trust in the hub's certificate where the image has no certificates: --ca-file FOLDER/etc/ca-certificates.crt
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
	cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/"
fi

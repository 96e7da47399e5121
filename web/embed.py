#!/usr/bin/env python3
"""Writes the UI's files as a C table (assets.h). Usage: embed.py OUT.c /PATH=FILE ..."""
import gzip
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


def c_bytes(name, data):
    rows = (",".join(str(b) for b in data[i:i + 32]) for i in range(0, len(data), 32))
    return "static const unsigned char %s[] = {\n%s\n};\n" % (name, ",\n".join(rows))


def main(out, *entries):
    arrays, table = [], []
    for number, entry in enumerate(entries):
        path, file = entry.split("=", 1)
        with open(file, "rb") as source:
            data = source.read()
        packed = gzip.compress(data, 9, mtime=0)
        content_type = TYPES[os.path.splitext(path)[1]]
        etag = hashlib.sha256(data).hexdigest()[:32]
        arrays.append(c_bytes("plain_%d" % number, data))
        gzip_row = "NULL, 0"
        if len(packed) < len(data):
            arrays.append(c_bytes("gzip_%d" % number, packed))
            gzip_row = "gzip_%d, sizeof(gzip_%d)" % (number, number)
        table.append('\t{ "%s", "%s", "%s", plain_%d, sizeof(plain_%d), %s },\n'
                     % (path, content_type, etag, number, number, gzip_row))
    with open(out, "w", encoding="ascii") as target:
        target.write('#include "web/assets.h"\n\n%s\nconst struct web_asset web_assets[] = {\n%s};\n'
                     "const size_t web_assets_count = %d;\n"
                     % ("\n".join(arrays), "".join(table), len(table)))


main(*sys.argv[1:])

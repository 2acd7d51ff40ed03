#!/usr/bin/env bash
# Prints what the programs whose paths are read from standard input need of libraries, as rpm names it:
# libc.so.6(GLIBC_2.34)(64bit), libhwloc.so.15()(64bit). Reads files of any architecture, where ldd
# knows only this host's.
set -euo pipefail

while read -r program; do
    # Of what is no program, such as a page, readelf says nothing to standard output.
    { LC_ALL=C readelf --wide --dynamic --version-info "$program" 2>/dev/null || true; } | awk '
        /\(NEEDED\)/ { gsub(/[][]/, "", $NF); print $NF "()(64bit)" }
        / File: / { for (i = 1; i < NF; i++) if ($i == "File:") library = $(i + 1) }
        / Name: / { for (i = 1; i < NF; i++) if ($i == "Name:" && library) print library "(" $(i + 1) ")(64bit)" }
        /^Version (symbols|definition)/ { library = "" }'
done | sort -u

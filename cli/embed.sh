#!/bin/sh
# Turn files into a C table: embed.sh OUTPUT NAME FILE [NAME FILE …]
# As bytes, not as strings, which standard C limits to 4095 characters.
set -eu
output=$1
shift
{
    echo '/* Made by embed.sh from recipe files. */'
    echo '#include "templates.h"'
    table=
    while [ $# -gt 0 ]; do
        echo "static const char template_$1[] = {"
        od -An -v -tu1 "$2" | sed 's/  *\([0-9][0-9]*\)/\1,/g'
        echo '0};'
        table="$table
    {\"$1\", template_$1},"
        shift 2
    done
    printf 'const bal_template bal_template_table[] = {%s\n    {0}};\n' "$table"
} >"$output"

#!/bin/bash
set -eu
mkdir -p /app/release
: > /app/damaged.txt
cd /app/drop
while IFS= read -r line; do
    name=${line#*  }
    target=/app/release/$name
    number=1
    while [ -f "$name.part-$number" ]; do
        cat -- "$name.part-$number" >> "$target"
        number=$((number + 1))
    done
    if [ -f "$target" ] && [ "$(sha256sum < "$target")" = "${line%%  *}  -" ]; then
        case $name in
            *.sh) chmod 755 "$target" ;;
            *) chmod 644 "$target" ;;
        esac
    else
        rm -f "$target"
        printf '%s\n' "$name" >> /app/damaged.txt
    fi
done < SHA256SUMS
LC_ALL=C sort -o /app/damaged.txt /app/damaged.txt

#!/bin/sh
# Installs the program for this person, or for all: ./install.sh [--prefix DIR] [--remove]
# The usual place is ~/.local; for all people run it as root with --prefix /usr/local.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=$HOME/.local
remove=false
while [ $# -gt 0 ]; do
    case $1 in
        --prefix) [ $# -ge 2 ] || { echo "--prefix needs a folder" >&2; exit 2; }; prefix=$2; shift 2 ;;
        --remove) remove=true; shift ;;
        *) echo "usage: $0 [--prefix DIR] [--remove]" >&2; exit 2 ;;
    esac
done
cd "$here"
# Exactly the files that lie here, and no others.
find bin share -type f | while IFS= read -r file; do
    if $remove; then
        rm -f "$prefix/$file"
    else
        mkdir -p "$prefix/$(dirname "$file")"
        cp -p "$file" "$prefix/$file"
    fi
done
for folder in applications mime; do
    case $folder in
        applications) tool=update-desktop-database ;;
        mime) tool=update-mime-database ;;
    esac
    if [ -d "$prefix/share/$folder" ] && command -v "$tool" >/dev/null 2>&1; then
        "$tool" "$prefix/share/$folder" >/dev/null 2>&1 || true
    fi
done
if $remove; then
    echo "removed from $prefix"
else
    echo "installed: $prefix/bin/glow-explorer"
    case ":$PATH:" in
        *":$prefix/bin:"*) ;;
        *) echo "add $prefix/bin to PATH to start it by name" ;;
    esac
fi

#!/bin/sh
# Brings a released lastfd into a folder: install.sh [FOLDER], ~/.local unless told.
#
# LASTFD_VERSION    the version to take, 0.1.0 unless told
# LASTFD_BASE_URL   where the archive and its sum lie; the project's releases unless told
set -eu

version=${LASTFD_VERSION:-0.1.0}
base=${LASTFD_BASE_URL:-https://github.com/lastfd/lastfd/releases/download/v$version}
folder=${1:-$HOME/.local}

say() { printf 'lastfd: %s\n' "$*" >&2; }

case $(uname -s)-$(uname -m) in
	Linux-x86_64) name=lastfd-$version-x86_64-linux ;;
	*) say "there is no archive for $(uname -s) on $(uname -m); cargo install builds one"; exit 1 ;;
esac

if command -v curl >/dev/null; then
	fetch() { curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"; }
elif command -v wget >/dev/null; then
	fetch() { wget -q -O "$2" "$1"; }
else
	say "neither curl nor wget is here; install one of them"
	exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
fetch "$base/$name.tar.gz" "$work/$name.tar.gz"
fetch "$base/$name.tar.gz.sha256" "$work/$name.tar.gz.sha256"
(cd "$work" && sha256sum -c "$name.tar.gz.sha256" >/dev/null) || {
	say "the archive is not the one that was released: its sum is another"
	exit 1
}
mkdir -p "$folder"
tar -xzf "$work/$name.tar.gz" -C "$work"
cp -R "$work/$name/bin" "$work/$name/share" "$folder/"
say "installed $("$folder/bin/lastfd" --version) in $folder"

#!/bin/sh
# Brings a built lastfd into a folder: install.sh [FOLDER], ~/.local unless told.
#
# LASTFD_BASE_URL   where the archive and its sum lie, a URL or a folder: what `cargo xtask
#                   dist` leaves in target/dist, wherever that was put. Without it the
#                   project's releases are asked, of which there is none yet.
# LASTFD_VERSION    the version to take, 0.1.0 unless told
set -eu

version=${LASTFD_VERSION:-0.1.0}
base=${LASTFD_BASE_URL:-}
folder=${1:-$HOME/.local}

say() { printf 'lastfd: %s\n' "$*" >&2; }

case $(uname -s)-$(uname -m) in
	Linux-x86_64) name=lastfd-$version-x86_64-linux ;;
	*) say "there is no archive for $(uname -s) on $(uname -m); cargo install builds one"; exit 1 ;;
esac

hint=
if [ -z "$base" ]; then
	base=https://github.com/lastfd/lastfd/releases/download/v$version
	hint="; if it was not released yet, build the archive with 'cargo xtask dist' and say with LASTFD_BASE_URL where it lies"
fi

if [ -d "$base" ]; then
	fetch() { cp "$1" "$2"; }
elif command -v curl >/dev/null; then
	fetch() { curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"; }
elif command -v wget >/dev/null; then
	fetch() { wget -q -O "$2" "$1"; }
else
	say "neither curl nor wget is here; install one of them"
	exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
	fetch "$base/$file" "$work/$file" || {
		say "failed to get $base/$file$hint"
		exit 1
	}
done
(cd "$work" && sha256sum -c "$name.tar.gz.sha256" >/dev/null) || {
	say "the archive is not the one that was made: its sum is another"
	exit 1
}
mkdir -p "$folder"
tar -xzf "$work/$name.tar.gz" -C "$work"
cp -R "$work/$name/bin" "$work/$name/share" "$folder/"
say "installed $("$folder/bin/lastfd" --version) in $folder"

#!/bin/sh
# Fetches a release of gorphan, checks its sum, and puts the program into a folder.
# usage: install.sh RELEASES VERSION FOLDER
#   RELEASES  the URL below which the releases are, as https://github.com/OWNER/gorphan/releases/download
#   VERSION   as 0.1.0 or v0.1.0
set -eu
releases=$1
version=${2#v}
folder=$3
case "$(uname -s) $(uname -m)" in
"Linux x86_64") target=x86_64-unknown-linux-gnu ;;
"Linux aarch64" | "Linux arm64") target=aarch64-unknown-linux-gnu ;;
"Darwin arm64") target=aarch64-apple-darwin ;;
*)
    echo "gorphan has no release for $(uname -s) on $(uname -m)" >&2
    exit 2
    ;;
esac
if [ -x "$folder/gorphan" ] && [ "$("$folder/gorphan" --version)" = "gorphan $version" ]; then
    exit 0
fi
name=gorphan-$version-$target
mkdir -p "$folder"
part=$(mktemp -d "$folder/part.XXXXXX")
trap 'rm -rf "$part"' EXIT
cd "$part"
for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
    curl --fail --silent --show-error --location --retry 3 --output "$file" "$releases/v$version/$file"
done
if command -v sha256sum >/dev/null; then
    sha256sum --check --status "$name.tar.gz.sha256"
else
    shasum --algorithm 256 --check --status "$name.tar.gz.sha256"
fi || {
    echo "$name.tar.gz is not what its sum says; nothing was installed" >&2
    exit 2
}
tar -xzf "$name.tar.gz"
mv "$name/gorphan" "$folder/gorphan"

#!/bin/sh
# What the pre-commit hook runs in the user's repository: the release that this checkout is, fetched once.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/Cargo.toml" | head -n 1)
if [ -z "${GORPHAN_RELEASES:-}" ]; then
    GORPHAN_RELEASES=$(git -C "$here" remote get-url origin | sed 's/\.git$//')/releases/download
fi
folder=${XDG_CACHE_HOME:-$HOME/.cache}/gorphan/$version
sh "$here/integrations/install.sh" "$GORPHAN_RELEASES" "$version" "$folder"
exec "$folder/gorphan" test "$@" ./...

#!/usr/bin/env bash
# Finds the package feed, builds, and runs all tests; arguments go to dotnet test. The last line is "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")"
. eng/env.sh
rmeeto test "$@"

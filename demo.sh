#!/usr/bin/env bash
# Finds the package feed and runs samples/QuickStart; arguments go to the sample.
set -euo pipefail
cd "$(dirname "$0")"
. eng/env.sh
rmeeto demo "$@"

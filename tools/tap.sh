#!/bin/bash
# Runs a test program. cmocka 1.1.5 writes a skipped test as "not ok N # SKIP", which TAP readers take for a failure.
set -o pipefail
"$@" | sed -u 's/^not ok \([0-9]\+\) # SKIP/ok \1 # SKIP/'

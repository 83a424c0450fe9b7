#!/bin/sh
# build.sh IMAGE MODEL_DIR train|predict: builds one image of a model directory, as in the historical layout.
# POSIX sh: recipes call it by `sh build.sh`, and dash skips what it does not know with exit status 0.
set -eu

if [ "$#" -ne 3 ]; then
    echo 'usage: build.sh IMAGE MODEL_DIR train|predict' >&2
    exit 2
fi
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
sh "$root/mk/setup.sh" "$root"
PYTHONPATH=$root exec "$root/.venv/bin/python" -P -m trainyard build "$1" "$2" "$3"

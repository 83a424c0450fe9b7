#!/bin/bash
# install.sh train|daemon: puts a role's scripts and library, which lie beside this file, into the image that this runs in.
# With bytecode, so that not every build and every start has to compile it. Run by a Dockerfile, and without one where the
# image is one of dependencies: legacy `docker build` takes three times as long.
set -Eeuo pipefail
here=${0%/*}
lib=/opt/trainyard/lib

mkdir -p /usr/libexec/s2i "$lib"
cp -R "$here/s2i/bin/." /usr/libexec/s2i/
cp -R "$here/lib/." "$lib/"
settled=(/opt/trainyard /usr/libexec /tmp)
if [ "$1" = daemon ]; then
    # `docker run IMAGE serve`, as SageMaker starts it.
    cp /usr/libexec/s2i/run /usr/local/bin/serve
    settled+=(/usr/local/bin /usr/local/bin/serve)
    # On a dependency image the daemon learns once whether it gets on with its packages, those of each group of models; on
    # the base image there is nothing to import: no matter.
    for venv in /opt/venv*; do
        PYTHONPATH=$lib "$venv/bin/python" -m trainyard.check daemon 2>/dev/null &
        settled+=("$venv" "$venv/.trainyard-daemon")
    done
fi
# The order of a set is part of the bytecode, and shall be the same every time.
PYTHONHASHSEED=0 python -m compileall -q --invalidation-mode unchecked-hash "$lib"
wait
rm -rf "$here"
# Equal builds give equal file systems. 1980 is the first time that a zip can say.
find "$lib" /usr/libexec/s2i -exec touch --no-dereference --date @315532800 {} +
touch --no-create --date @315532800 "${settled[@]}"

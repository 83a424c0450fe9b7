#!/bin/bash
# install.sh train|daemon: puts a role's scripts and the library, which lie beside this file, into the image that this runs in: the
# base image, by a Dockerfile; and one of dependencies that came with another library.
set -Eeuo pipefail
here=${0%/*}
# shellcheck source=builders/common.sh
. /opt/trainyard/common.sh

begin_library "$here"
settled+=(/usr/libexec/s2i)
mkdir -p /usr/libexec/s2i
cp -R "$here/s2i/bin/." /usr/libexec/s2i/
if [ "$1" = daemon ]; then # `docker run IMAGE serve`, as SageMaker starts it
    cp /usr/libexec/s2i/run /usr/local/bin/serve
    settled+=(/usr/local/bin/serve)
fi
end_library
clean_up
settle_times /tmp "$VENV" "${settled[@]}"
touch --date @315532800 /usr/libexec /usr/local/bin # not of what the base has in them

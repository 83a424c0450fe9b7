# Sourced by the s2i scripts of both builder images; not run by itself.
# shellcheck shell=bash
#
# The same scripts run in three places: under the real s2i, in a container driven by our own engine code, and as plain
# processes in a folder. Every root is therefore a variable; its default is the place inside a container.
#
#   S2I_SOURCES     where s2i put the sources                    /tmp/src
#   S2I_ARTIFACTS   where s2i put what save-artifacts saved      /tmp/artifacts
#   APP_ROOT        where the sources go, the working directory  /model or /action (set by the calling script)
#   VENV            the virtual environment                      /opt/venv
#   VENV_2, ...     those of further groups of models            $VENV-2, ...
#   TRAINYARD_HOME  these scripts, requirements.txt, lib/..      /opt/trainyard
#   BUILD_SETTINGS  settings of this build, never kept           /run/trainyard
#   TRAINYARD_CACHE package cache, mounted                       /var/cache/trainyard

: "${S2I_SOURCES:=/tmp/src}" "${S2I_ARTIFACTS:=/tmp/artifacts}" "${VENV:=/opt/venv}"
: "${TRAINYARD_HOME:=/opt/trainyard}" "${BUILD_SETTINGS:=/run/trainyard}" "${TRAINYARD_CACHE:=/var/cache/trainyard}"
# Beside the virtual environment: what is installed in it (the hash), and whether the builder image brought it along.
DEPS_STAMP=$VENV/.trainyard-deps
# The files of the virtual environment, and their sizes, as they were installed.
FILES_STAMP=$VENV/.trainyard-files
# The time of every file of a layer: 1980-01-01, the first that a zip can say. As OLDEST_TIME of the host, in
# trainyard/host/support/context.py. Not exported: it would change what setup.sh scripts and uv make.
: "${SOURCE_DATE_EPOCH:=315532800}"
# What was installed into: its times are settled in the end.
settled=()

parts=${BASH_SOURCE[0]%/*}/common
# shellcheck source=builders/common/installing.sh
. "$parts/installing.sh"
# shellcheck source=builders/common/damage.sh
. "$parts/damage.sh"
# shellcheck source=builders/common/install_errors.sh
. "$parts/install_errors.sh"
# shellcheck source=builders/common/index_errors.sh
. "$parts/index_errors.sh"
# shellcheck source=builders/common/cleaning.sh
. "$parts/cleaning.sh"
# shellcheck source=builders/common/library.sh
. "$parts/library.sh"
# shellcheck source=builders/common/secrets.sh
. "$parts/secrets.sh"

# step MESSAGE: one line of progress.
step() { printf -- '---> %s\n' "$*"; }

# warn MESSAGE
warn() { printf 'warning: %s\n' "$*" >&2; }

# die MESSAGE: s2i reports every failure as "non-zero (13)", so our last line must carry the cause and the fix.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# load_build_settings: index, proxies and CA bundle for the length of this script. They come as a mounted folder, since
# whatever is passed by `-e` or ARG stays in the image's environment or history.
load_build_settings() {
    if [ -r "$BUILD_SETTINGS/env" ]; then
        # shellcheck disable=SC1091
        . "$BUILD_SETTINGS/env"
    fi
    export UV_LINK_MODE=hardlink UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
}

# copy_sources: first of all, since setup.sh scripts in the wild end in `rm -rf /tmp/*`.
copy_sources() {
    [ -f "$S2I_SOURCES/.s2i/environment" ] ||
        die ".s2i/environment: no such file: write it: ROUTES=<route>:<module>:<function> and TRAIN_MODULE=<module>"
    step "Installing application source ..."
    if [ -f "$S2I_SOURCES/.s2i/image_metadata.json" ]; then # s2i makes labels of what it finds there
        mkdir -p /tmp/.s2i
        mv "$S2I_SOURCES/.s2i/image_metadata.json" /tmp/.s2i/
    fi
    mkdir -p "$APP_ROOT/data" "$APP_ROOT/models"
    cp -R "$S2I_SOURCES/." "$APP_ROOT/"
}

# in_group NUMBER COMMAND...: run it for the virtual environment of that group of models (GROUPS=auto); it is made where it
# is missing, since the base image has the first one's alone.
in_group() {
    local place=VENV_$1
    local GROUP=$1 VENV=${!place:-$VENV-$1}
    local DEPS_STAMP=$VENV/.trainyard-deps FILES_STAMP=$VENV/.trainyard-files
    shift
    if [ ! -d "$VENV" ]; then
        python3 -m venv --without-pip "$VENV" ||
            die "$VENV: cannot be made as uid $EUID: assemble as root (--assemble-user 0)"
        settled+=("${VENV%/*}")
    fi
    "$@"
}

# check_wiring train|predict: compiles the sources; a typo in .s2i/environment must not wait for the first request.
check_wiring() {
    local output status=0
    step "Checking .s2i/environment ..."
    # The order of a set is part of the bytecode, and shall be the same every time.
    output=$(cd "$APP_ROOT" && PYTHONHASHSEED=0 "$VENV/bin/python" -m trainyard.image.check_wiring "$1" ${GROUP:+"$GROUP"} 2>&1) || status=$?
    end_check # first: what cannot be imported may be what is damaged
    if [ "$output" ]; then printf '%s\n' "$output" >&2; fi
    case $status in
    0) ;;
    2) exit 2 ;; # its last line says why
    *) die ".s2i/environment: a module that it names ended the check with status $status: let it be imported without side effects" ;;
    esac
}

# open_to_group: any uid of group 0 may run the image (OpenShift). On the application folder only: on the virtual
# environment it would double the layer.
open_to_group() {
    if [ "$EUID" = 0 ] && [ "${setup:-}" ]; then chgrp -R 0 "$APP_ROOT"; fi # what we copy is root's group's already
    chmod -R g=u,o+rX "$APP_ROOT"
}

# assemble ROLE [dependencies|library|runtime]: the whole of it; `dependencies` stops before the sources, for a dependency image,
# `library` puts today's there, and `runtime` prepares an image without compilers for what was installed elsewhere.
assemble() {
    local number=2
    umask 0022
    load_build_settings
    export PYTHONDONTWRITEBYTECODE=1
    if [ "${2:-}" = dependencies ]; then
        # Where setup.sh scripts that end in `rm -rf /tmp/*` leave the lock alone.
        cp -R "$S2I_SOURCES" "$VENV/.trainyard-sources"
        if [ -d "$S2I_SOURCES/lib" ]; then begin_library "$S2I_SOURCES"; fi
        install_dependencies "$VENV/.trainyard-sources"
        rm -r "$VENV/.trainyard-sources"
        echo 'from the builder image' >>"$DEPS_STAMP"
        if [ "${compiling:-}" ]; then end_library; fi
    elif [ "${2:-}" = library ]; then
        begin_library "$S2I_SOURCES"
        end_library
        settled+=("$VENV")
    elif [ "${2:-}" = runtime ]; then
        begin_installing
        run_setup "$S2I_SOURCES"
    else
        export PYTHONPATH=$APP_ROOT:$TRAINYARD_HOME/lib
        copy_sources
        install_dependencies "$APP_ROOT"
        check_wiring "$1"
        while [ -f "$APP_ROOT/requirements.$number.lock" ]; do # further groups of models, whose requirements clash
            in_group "$number" install_dependencies "$APP_ROOT"
            in_group "$number" check_wiring "$1"
            number=$((number + 1))
        done
        open_to_group
        settle_times "$APP_ROOT"
    fi
    clean_up
    check_secrets "${2:-sources}"
    if [ "${installed:-}" ]; then
        check_forms "${2:-sources}"
        rm "$installed"
    fi
    settle_times /tmp "${settled[@]}"
}

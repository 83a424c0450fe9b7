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
#   TRAINYARD_HOME  common.sh, requirements.txt, lib/trainyard   /opt/trainyard
#   BUILD_SETTINGS  settings of this build, never kept           /run/trainyard
#   TRAINYARD_CACHE package cache, mounted                       /var/cache/trainyard

: "${S2I_SOURCES:=/tmp/src}" "${S2I_ARTIFACTS:=/tmp/artifacts}" "${VENV:=/opt/venv}"
: "${TRAINYARD_HOME:=/opt/trainyard}" "${BUILD_SETTINGS:=/run/trainyard}" "${TRAINYARD_CACHE:=/var/cache/trainyard}"
# Beside the virtual environment: what is installed in it (the hash), and whether the builder image brought it along.
DEPS_STAMP=$VENV/.trainyard-deps

# step MESSAGE: one line of progress.
step() { printf -- '---> %s\n' "$*"; }

# warn MESSAGE
warn() { printf 'warning: %s\n' "$*" >&2; }

# die MESSAGE: s2i reports every failure as "non-zero (13)", so our last line must carry the cause and the mend.
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
    if [ -w "$TRAINYARD_CACHE" ]; then
        export UV_CACHE_DIR=${UV_CACHE_DIR:-$TRAINYARD_CACHE/uv}
    else
        # No cache is mounted: a throw-away one, which must not stay in the image.
        if [ -z "${UV_CACHE_DIR:-}" ]; then scratch_cache=$(mktemp -d); fi
        export UV_CACHE_DIR=${UV_CACHE_DIR:-${scratch_cache:-}}
    fi
    export UV_LINK_MODE=${UV_LINK_MODE:-copy} UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
}

# copy_sources: first of all, since setup.sh scripts in the wild end in `rm -rf /tmp/*`.
copy_sources() {
    [ -f "$S2I_SOURCES/.s2i/environment" ] ||
        die ".s2i/environment: no such file: write it: ROUTES=<route>:<module>:<function> and TRAIN_MODULE=<module>"
    step "Installing application source ..."
    mkdir -p "$APP_ROOT"
    if [ -f "$S2I_SOURCES/.s2i/image_metadata.json" ]; then # s2i makes labels of what it finds there
        mkdir -p /tmp/.s2i
        mv "$S2I_SOURCES/.s2i/image_metadata.json" /tmp/.s2i/
    fi
    cp -R "$S2I_SOURCES/." "$APP_ROOT/"
    mkdir -p "$APP_ROOT/data" "$APP_ROOT/models"
}

# groups DIR: the numbers of further groups of models, whose requirements clash with those of the first (GROUPS=auto).
groups() {
    local number=2
    while [ -f "$1/requirements.$number.lock" ]; do
        printf '%s\n' "$number"
        number=$((number + 1))
    done
}

# in_group NUMBER COMMAND...: run it for the virtual environment of that group.
in_group() {
    local place=VENV_$1
    local GROUP=$1 VENV=${!place:-$VENV-$1}
    local DEPS_STAMP=$VENV/.trainyard-deps
    shift
    "$@"
}

# requirements_file: the lock where there is one, else the plain requirements; nothing where there is neither.
requirements_file() {
    local name
    for name in "requirements${GROUP:+.$GROUP}.lock" "requirements${GROUP:+.$GROUP}.txt"; do
        if [ -f "$1/$name" ]; then
            printf '%s\n' "$1/$name"
            return
        fi
    done
}

# dependencies_hash DIR: of everything that decides what gets installed.
dependencies_hash() {
    local file
    {
        for file in "$(requirements_file "$1")" "$(setup_file "$1")" "$TRAINYARD_HOME/requirements.txt"; do
            if [ -f "$file" ]; then cat "$file"; fi
            printf '\0'
        done
    } | sha256sum | cut -d' ' -f1
}

# setup_file DIR: the setup.sh of the image; of its groups of models, the first runs it.
setup_file() { if [ -z "${GROUP:-}" ]; then printf '%s\n' "$1/setup.sh"; fi; }

# install_dependencies DIR: setup.sh, then the requirements found in DIR; nothing where they are installed already.
install_dependencies() {
    local hash
    hash=$(dependencies_hash "$1")
    restore_artifacts
    if [ "$(head -n 1 "$DEPS_STAMP" 2>/dev/null || :)" = "$hash" ]; then # no stamp yet is the common case
        step "Dependencies are installed already (${hash:0:12})."
        # Restored is the virtual environment alone: what setup.sh installed is in the previous image only.
        if [ "${restored:-}" ]; then run_setup "$1"; fi
        return
    fi
    rm -f "$DEPS_STAMP" "$VENV/.trainyard-daemon"
    installed=1
    [ -x "$VENV/bin/python" ] || python3 -m venv --without-pip "$VENV" ||
        die "$VENV: cannot be made as uid $(id -u): assemble as root (--assemble-user 0)"
    run_setup "$1"
    install_requirements "$1"
    prepare_packages
    printf '%s\n' "$hash" >"$DEPS_STAMP"
}

# run_setup DIR: native dependencies, before the requirements.
run_setup() {
    [ -f "$(setup_file "$1")" ] || return 0
    step "Running setup.sh ..."
    (cd "$1" && bash ./setup.sh) || {
        local status=$?
        [ "$(id -u)" = 0 ] || die "setup.sh: failed with status $status as uid $(id -u): assemble as root (--assemble-user 0)"
        die "setup.sh: failed with status $status: see its output above"
    }
}

# install_requirements DIR: with hashes enforced where there is a lock.
install_requirements() {
    local file said
    local -a options=()
    file=$(requirements_file "$1")
    case $file in
    *.lock) options=(--require-hashes -r "$file") ;;
    *.txt)
        say_unlocked "${file##*/}"
        options=(-r "$file" -r "$TRAINYARD_HOME/requirements.txt")
        ;;
    *) options=(-r "$TRAINYARD_HOME/requirements.txt") ;;
    esac
    if [ "${WHEELHOUSE:-}" ]; then options+=(--no-index --find-links "$WHEELHOUSE"); fi
    step "Installing dependencies (${file:+${file##*/}}) ..."
    if ! said=$(uv pip install --quiet --python "$VENV/bin/python" "${options[@]}" 2>&1); then
        printf '%s\n' "$said" | sed 's/^/    /' >&2 # indented: the one line that begins with error: is ours
        explain_install_failure "$said" "${file##*/}"
    fi
}

# say_unlocked FILE: a warning, or with STRICT=1 the end.
say_unlocked() {
    local said="$1: not locked, so each build may get other packages: add a requirements.lock with hashes"
    [ "${STRICT:-0}" != 1 ] || die "$said (STRICT=1)"
    warn "$said"
}

# explain_install_failure OUTPUT FILE: the one line that says what to mend.
explain_install_failure() {
    if grep -q 'No space left on device' <<<"$1"; then
        die "no space left on the device while installing $2: free some disk space"
    elif grep -qiE 'certificate|UnknownIssuer' <<<"$1"; then
        die "the package index's certificate is not trusted: set CA_BUNDLE to your company's CA file"
    elif grep -qiE 'hash mismatch|invalid package format' <<<"$1"; then
        die "$2: a package is not the one that was locked: run make lock, or check the index"
    elif [ "${WHEELHOUSE:-}" ] && grep -qE 'No solution found|disabled' <<<"$1"; then
        die "$2: WHEELHOUSE lacks what is locked: see uv's reasons above; fill it again: make wheelhouse"
    elif grep -qE '40[13] (Unauthorized|Forbidden)' <<<"$1"; then
        die "the package index refuses the user and the password: check INDEX_URL and EXTRA_INDEX_URL"
    elif grep -qE 'there (is|are) no versions? of|not found in the package registry' <<<"$1" && [ "${2##*.}" = lock ]; then
        die "$2: the package index does not have what is locked: check INDEX_URL: is it a package index?"
    elif grep -q 'No solution found' <<<"$1"; then
        die "$2: the requirements cannot be resolved together: see uv's reasons above"
    elif grep -qE "No such file or directory: '?[^ ]*(gcc|cc|clang)|command '[^ ]*(gcc|cc)' failed" <<<"$1"; then
        die "$2: $(grep -o 'Failed to build .*' <<<"$1" | tail -n 1 | cut -d' ' -f4) comes as source and needs a C compiler: install gcc in setup.sh, or choose a version with wheels"
    elif grep -q 'timed out' <<<"$1"; then
        die "the package index did not answer within ${UV_HTTP_TIMEOUT:-30} s: check the network and INDEX_URL, or set INDEX_TIMEOUT higher"
    elif grep -qE 'status (server|client) error|unexpected (JSON|HTML)|Content-Type' <<<"$1"; then
        die "the package index answered $(sed -nE 's/.*status (server|client) error \(([^)]*)\).*/\2/p' <<<"$1" | head -n 1 | grep . || echo 'what is no list of packages'): check INDEX_URL and HTTPS_PROXY"
    elif grep -qiE 'dns|connect|error sending request' <<<"$1"; then
        die "the package index cannot be reached: check the network, INDEX_URL and HTTPS_PROXY"
    fi
    die "$2: cannot be installed: see uv's reasons above"
}

# prepare_packages: without their own tests, and with bytecode, so that the first start is as fast as the second.
prepare_packages() {
    local cache=
    if [ -w "$TRAINYARD_CACHE" ]; then cache=$TRAINYARD_CACHE/bytecode; fi
    "$VENV/bin/python" "$TRAINYARD_HOME/packages.py" slim "$VENV"/lib/python*/site-packages
    # The order of a set is part of the bytecode, and shall be the same every time.
    PYTHONHASHSEED=0 "$VENV/bin/python" "$TRAINYARD_HOME/packages.py" compile "$VENV"/lib/python*/site-packages \
        ${cache:+"$cache"}
}

# settle_times DIR...: equal builds give equal file systems. Only in an image: on a host files are shared with a cache.
settle_times() {
    local epoch=@${SOURCE_DATE_EPOCH:-315532800} # 1980-01-01, the first time that a zip can say
    local -a mine=()
    [ "$S2I_SOURCES" = /tmp/src ] || return 0
    if [ "$(id -u)" != 0 ]; then mine=(-user "$(id -u)"); fi # nobody else may set the times of a file
    find "$@" -xdev -newermt "$epoch" "${mine[@]}" -exec touch --no-dereference --date "$epoch" {} +
}

# restore_artifacts: what save-artifacts streamed out of the previous image, for `s2i build --incremental`.
restore_artifacts() {
    [ -d "$S2I_ARTIFACTS/venv" ] || return 0
    local python
    python=$(cd "$VENV/lib" && echo python*)
    if [ -d "$S2I_ARTIFACTS/venv/lib/$python" ]; then
        step "Restoring the virtual environment of the previous build ..."
        rm -rf "${VENV:?}/lib" "${VENV:?}/bin"
        cp -R "$S2I_ARTIFACTS/venv/." "$VENV/"
        restored=1
    else
        warn "the previous build's packages are not for $python: everything is installed again"
    fi
    rm -rf "$S2I_ARTIFACTS/venv"
}

# check_wiring train|predict: compiles the sources; a typo in .s2i/environment must not wait for the first request.
check_wiring() {
    local status=0
    step "Checking .s2i/environment ..."
    # The order of a set is part of the bytecode, and shall be the same every time.
    (cd "$APP_ROOT" && PYTHONHASHSEED=0 "$VENV/bin/python" -m trainyard.check "$1" ${GROUP:+"$GROUP"}) || status=$?
    case $status in
    0) ;;
    2) exit 2 ;; # its last line has said why
    *) die ".s2i/environment: a module that it names ended the check with status $status: let it be imported without side effects" ;;
    esac
}

# open_to_group: any uid of group 0 may run the image (OpenShift). On the application folder only: on the virtual
# environment it would double the layer.
open_to_group() {
    if [ "$(id -u)" = 0 ]; then chgrp -R 0 "$APP_ROOT"; fi
    chmod -R g=u,o+rX "$APP_ROOT"
}

# clean_up: nothing of the assembling itself may stay in the image.
clean_up() {
    rm -rf "${scratch_cache:-}"
    if [ "$S2I_SOURCES" = /tmp/src ]; then rm -rf /tmp/src; fi
}

# check_secrets LAYER: what this assembling wrote must not hold a credential that it was given. Where nothing was installed,
# nobody was there to write to the large folders, and looking through them would take longer than all the rest.
check_secrets() {
    local found
    local -a places=(/) skipped=()
    [ -s "$BUILD_SETTINGS/secrets" ] || return 0
    if [ "$S2I_SOURCES" != /tmp/src ]; then
        places=()
        for found in "$VENV" "$APP_ROOT"; do if [ -d "$found" ]; then places+=("$found"); fi; done
    fi
    if [ -z "${installed:-}" ]; then skipped=(-path /usr -prune -o -path "$VENV" -prune -o -path "$VENV-*" -prune -o); fi
    found=$(find "${places[@]}" -xdev "${skipped[@]}" -type f -cnewer "$BUILD_SETTINGS/secrets" -print0 |
        LC_ALL=C xargs -0 -r grep -slFf "$BUILD_SETTINGS/secrets" | head -n 1) ||
        : # ignore failure since that is what grep says where it finds nothing
    [ -z "$found" ] ||
        die "$found: a credential of this build would stay in the image (layer: $1): let what writes it remove it, or not write it"
}

# assemble ROLE [dependencies]: the whole of it; `dependencies` stops before the sources, for a dependency image.
assemble() {
    local number
    umask 0022
    load_build_settings
    export PYTHONDONTWRITEBYTECODE=1
    if [ "${2:-}" = dependencies ]; then
        install_dependencies "$S2I_SOURCES"
        echo 'from the builder image' >>"$DEPS_STAMP"
        settle_times "${VENV%/*}" # beside it are those of further groups
    else
        export PYTHONPATH=$APP_ROOT:$TRAINYARD_HOME/lib
        copy_sources
        install_dependencies "$APP_ROOT"
        check_wiring "$1"
        for number in $(groups "$APP_ROOT"); do
            in_group "$number" install_dependencies "$APP_ROOT"
            in_group "$number" check_wiring "$1"
        done
        open_to_group
        settle_times "$APP_ROOT" "${VENV%/*}"
    fi
    clean_up
    settle_times /tmp
    check_secrets "${2:-sources}"
}

# save_artifacts: a tar of the virtual environment on stdout; an empty one where the builder image brings it along.
save_artifacts() {
    if grep -qs 'from the builder image' "$DEPS_STAMP"; then
        tar -cf - --files-from /dev/null
    else
        tar -C "${VENV%/*}" -cf - --transform "s,^${VENV##*/},venv," "${VENV##*/}"
    fi
}

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
#   TRAINYARD_HOME  common.sh, requirements.txt, lib/trainyard   /opt/trainyard
#   BUILD_SETTINGS  settings of this build, never kept           /run/trainyard
#   TRAINYARD_CACHE package cache, mounted                       /var/cache/trainyard

: "${S2I_SOURCES:=/tmp/src}" "${S2I_ARTIFACTS:=/tmp/artifacts}" "${VENV:=/opt/venv}"
: "${TRAINYARD_HOME:=/opt/trainyard}" "${BUILD_SETTINGS:=/run/trainyard}" "${TRAINYARD_CACHE:=/var/cache/trainyard}"
# Beside the virtual environment: what is installed in it (the hash), and whether the builder image brought it along.
DEPS_STAMP=$VENV/.trainyard-deps
# The files of the virtual environment, and their sizes, as they were installed.
FILES_STAMP=$VENV/.trainyard-files

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
    export UV_LINK_MODE=${UV_LINK_MODE:-copy} UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
}

# find_cache: before anything is installed. In a container where none is mounted, a throw-away one: it must not stay in the
# image, and the folder itself is part of that.
find_cache() {
    cache=
    if [ -w "$TRAINYARD_CACHE" ] && { [ "$S2I_SOURCES" != /tmp/src ] || mountpoint -q "$TRAINYARD_CACHE"; }; then
        cache=$TRAINYARD_CACHE
    elif [ -z "${UV_CACHE_DIR:-}" ]; then
        scratch_cache=$(mktemp -d)
    fi
    export UV_CACHE_DIR=${UV_CACHE_DIR:-${scratch_cache:-$cache/uv}}
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

# find_requirements DIR: sets `requirements`: the lock where there is one, else the plain requirements; nothing where there
# is neither.
find_requirements() {
    for requirements in "$1/requirements.lock" "$1/requirements.txt" ''; do
        if [ -f "$requirements" ]; then return; fi
    done
}

# dependencies_hash DIR: sets `hash`, of everything that decides what gets installed. One program reads it all: to start one
# takes as long as what an edit has to do.
dependencies_hash() {
    local file text
    find_requirements "$1"
    hash=$(
        for file in "$requirements" "$1/setup.sh" "$TRAINYARD_HOME/requirements.txt"; do
            text=
            if [ -f "$file" ]; then text=$(<"$file"); fi
            # Two lines of a lock say where it came from, and change nothing.
            if [[ $text == '# trainyard lock of inputs '* ]]; then text=${text#*$'\n'*$'\n'}; fi
            printf '%s\0' "$text"
        done | sha256sum
    )
    hash=${hash%% *}
}

# install_dependencies DIR: setup.sh, then the requirements found in DIR; nothing where they are installed already.
install_dependencies() {
    local hash requirements installed_hash=
    dependencies_hash "$1"
    restore_artifacts
    if [ -e "$DEPS_STAMP" ] && [ ! -s "$DEPS_STAMP" ]; then check_installed; fi
    if [ -f "$DEPS_STAMP" ]; then read -r installed_hash <"$DEPS_STAMP" || :; fi # an empty one says nothing
    if [ "$installed_hash" = "$hash" ]; then
        step "Dependencies are installed already (${hash:0:12})."
        check_installed
        # Restored is the virtual environment alone: what setup.sh installed is in the previous image only.
        if [ "${restored:-}" ]; then
            begin_installing
            find_cache
            run_setup "$1"
        fi
        return
    fi
    rm -f "$DEPS_STAMP" "$VENV/.trainyard-daemon"
    begin_installing
    find_cache
    run_setup "$1"
    install_requirements "$requirements"
    prepare_packages
    list_installed >"$FILES_STAMP"
    printf '%s\n' "$hash" >"$DEPS_STAMP"
}

# begin_installing: what is newer than this file was written by this assembling.
begin_installing() {
    installed=$VENV/.trainyard-begun
    touch --date '1 second ago' "$installed"
}

# list_installed: a line for each file: its path and size. To read them all would take longer than an edit may.
list_installed() {
    find "$VENV" -xdev ! -type d ! -path "$VENV/.trainyard-*" -printf '%P %s\n' | LC_ALL=C sort
}

# check_installed: a file that is gone, or of another size, must not be found at the first request. The engines know this
# error, and install again.
check_installed() {
    local missing=${FILES_STAMP##*/}
    if [ -s "$FILES_STAMP" ]; then missing=$(list_installed | LC_ALL=C comm -23 "$FILES_STAMP" - | sed -n 1p); fi
    [ -z "$missing" ] ||
        die "$VENV: what is installed is damaged (${missing% *}): the image below has to be made anew"
}

# run_setup DIR: native dependencies, before the requirements.
run_setup() {
    [ -f "$1/setup.sh" ] || return 0
    setup=1
    step "Running setup.sh ..."
    (cd "$1" && bash ./setup.sh) || {
        local status=$?
        [ "$EUID" = 0 ] || die "setup.sh: failed with status $status as uid $EUID: assemble as root (--assemble-user 0)"
        die "setup.sh: failed with status $status: see its output above"
    }
}

# install_requirements FILE: with hashes enforced where it is a lock.
install_requirements() {
    local file=$1 said
    local -a options=()
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
    if said=$(uv_install "${options[@]}"); then
        said=$(damaged_packages)
    elif grep -q 'Failed to install: ' <<<"$said" && ! grep -q 'No space left on device' <<<"$said"; then
        said=$(sed -nE 's/.*Failed to install: .*\(([A-Za-z0-9._-]+)==.*/\1/p' <<<"$said")
    else
        end_installing "$said" "${file##*/}"
    fi
    if [ "$said" ]; then reinstall "$said" "${file##*/}" "${options[@]}"; fi
}

# reinstall NAMES FILE OPTION...: packages of which the cache has damaged files.
reinstall() {
    local said name file=$2
    local -a names
    read -r -a names <<<"$1"
    warn "the package cache has damaged files of ${names[*]}: fetched again"
    uv cache clean --quiet "${names[@]}"
    for name in "${names[@]}"; do # so that they count as not installed: uv cannot remove what it has no whole list of
        find "$VENV"/lib/python*/site-packages -maxdepth 1 -iname "${name//-/_}-*.dist-info" -exec rm -r {} +
    done
    said=$(uv_install "${@:3}") || end_installing "$said" "$file"
    said=$(damaged_packages)
    # What was just fetched has the hash that the lock says: then it was made so.
    [ -z "$said" ] || warn "$file: $said: installed, but its files are not those that it lists"
}

# uv_install OPTION...: into the virtual environment; prints what uv complains about.
uv_install() { uv pip install --quiet --python "$VENV/bin/python" "$@" 2>&1; }

# damaged_packages: the names of installed packages whose files are not those of their own list.
damaged_packages() { "$VENV/bin/python" "$TRAINYARD_HOME/damage.py" "$VENV"/lib/python*/site-packages; }

# end_installing OUTPUT FILE: what uv said, then the one line.
end_installing() {
    printf '%s\n' "$1" | sed 's/^/    /' >&2 # indented: the one line that begins with error: is ours
    explain_install_failure "$@"
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
        die "$2: $(grep -o 'Failed to build .*' <<<"$1" | tail -n 1 | cut -d' ' -f4) comes as source and needs a C compiler: set BASE_IMAGE to an image with one and RUNTIME_IMAGE to one without, install gcc in setup.sh, or choose a version with wheels"
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
    "$VENV/bin/python" "$TRAINYARD_HOME/packages.py" slim "$VENV"/lib/python*/site-packages
    # The order of a set is part of the bytecode, and shall be the same every time.
    PYTHONHASHSEED=0 "$VENV/bin/python" "$TRAINYARD_HOME/packages.py" compile "$VENV"/lib/python*/site-packages \
        ${cache:+"$cache/bytecode"}
}

# settle_times DIR...: equal builds give equal file systems. Only in an image: on a host files are shared with a cache.
settle_times() {
    local epoch=@${SOURCE_DATE_EPOCH:-315532800} # 1980-01-01, the first time that a zip can say
    local -a mine=()
    [ "$S2I_SOURCES" = /tmp/src ] || return 0
    if [ "$EUID" != 0 ]; then mine=(-user "$EUID"); fi # nobody else may set the times of a file
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
    (cd "$APP_ROOT" && PYTHONHASHSEED=0 "$VENV/bin/python" -m trainyard.check "$1") || status=$?
    case $status in
    0) ;;
    2) exit 2 ;; # its last line has said why
    *) die ".s2i/environment: a module that it names ended the check with status $status: let it be imported without side effects" ;;
    esac
}

# open_to_group: any uid of group 0 may run the image (OpenShift). On the application folder only: on the virtual
# environment it would double the layer.
open_to_group() {
    if [ "$EUID" = 0 ] && [ "${setup:-}" ]; then chgrp -R 0 "$APP_ROOT"; fi # what we copy is root's group's already
    chmod -R g=u,o+rX "$APP_ROOT"
}

# clean_up: nothing of the assembling itself may stay in the image.
clean_up() {
    if [ "${scratch_cache:-}" ]; then rm -rf "$scratch_cache"; fi
    if [ "$S2I_SOURCES" = /tmp/src ]; then
        rm -rf /tmp/src
        remove_leavings
    fi
}

# remove_leavings: caches, lists, logs and temporary files of apt, pip, uv, setup.sh and of what was imported. Never what is
# mounted, nor what s2i has in /tmp: labels, and the scripts of builders that have theirs elsewhere. Of apt's own folders
# only what is newer than the installation: what the base has there is below, and would be no smaller.
remove_leavings() {
    local mounted
    local -a kept=()
    while read -r _ _ _ _ mounted _; do kept+=(! -path "$mounted" ! -path "$mounted/*"); done </proc/self/mountinfo
    find /tmp /var /root -xdev \( \
        -path '/tmp/*' ! -path '/tmp/.s2i*' ! -path '/tmp/scripts*' \
        -o -path '/var/tmp/*' -o -path '/root/.cache*' -o -path "$TRAINYARD_CACHE/*" \
        -o ! -type d -cnewer "${installed:-/proc/self}" \( -path '/var/lib/apt/lists/*' -o -path '/var/cache/apt/*' \
        -o -path '/var/log/apt/*' -o -path '/var/log/dpkg.log' -o -path '/var/log/alternatives.log' \) \
        \) "${kept[@]}" -delete 2>/dev/null ||
        : # ignore failure since s2i's Dockerfile assembles as 1001, who may not remove what is root's
}

# check_forms LAYER: what setup.sh left must not look like a credential. Packages bring examples of keys; the sources are
# searched by trainyard.check.
check_forms() {
    local found
    [ "$S2I_SOURCES" = /tmp/src ] || return 0
    # Ignore failure of find since s2i's Dockerfile assembles as 1001, who may not look into each folder, nor write there.
    found=$({ find / /usr/local/bin -xdev \
        \( -path /usr -o -path "$VENV" -o -path "${APP_ROOT:-/nowhere}" -o -name site-packages \) -prune -o \
        -type f -readable -cnewer "$installed" -print0 2>/dev/null || :; } |
        "$VENV/bin/python" "$TRAINYARD_HOME/secret_forms.py")
    [ -z "$found" ] || die "$found would stay in the image (layer: $1): let what writes it remove it, or not write it"
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
    if [ -z "${installed:-}" ]; then skipped=(-path /usr -prune -o -path "$VENV" -prune -o); fi
    found=$(LC_ALL=C find "${places[@]}" -xdev "${skipped[@]}" -type f -cnewer "$BUILD_SETTINGS/secrets" \
        -exec grep -slFf "$BUILD_SETTINGS/secrets" {} +) ||
        : # ignore failure since that is what grep says where it finds nothing
    [ -z "$found" ] ||
        die "${found%%$'\n'*}: a credential of this build would stay in the image (layer: $1): let what writes it remove it, or not write it"
}

# assemble ROLE [dependencies|runtime]: the whole of it; `dependencies` stops before the sources, for a dependency image,
# and `runtime` prepares an image without compilers for what was installed elsewhere.
assemble() {
    umask 0022
    load_build_settings
    export PYTHONDONTWRITEBYTECODE=1
    if [ "${2:-}" = dependencies ]; then
        # Where setup.sh scripts that end in `rm -rf /tmp/*` leave the lock alone.
        cp -R "$S2I_SOURCES" "$VENV/.trainyard-sources"
        install_dependencies "$VENV/.trainyard-sources"
        rm -r "$VENV/.trainyard-sources"
        echo 'from the builder image' >>"$DEPS_STAMP"
    elif [ "${2:-}" = runtime ]; then
        begin_installing
        run_setup "$S2I_SOURCES"
    else
        export PYTHONPATH=$APP_ROOT:$TRAINYARD_HOME/lib
        copy_sources
        install_dependencies "$APP_ROOT"
        check_wiring "$1"
        open_to_group
        settle_times "$APP_ROOT"
    fi
    clean_up
    check_secrets "${2:-sources}"
    if [ "${installed:-}" ]; then
        check_forms "${2:-sources}"
        rm "$installed"
        settle_times "$VENV"
    fi
    settle_times /tmp
}

# save_artifacts: a tar of the virtual environment on stdout; an empty one where the builder image brings it along.
save_artifacts() {
    if grep -qs 'from the builder image' "$DEPS_STAMP"; then
        tar -cf - --files-from /dev/null
    else
        tar -C "${VENV%/*}" -cf - --transform "s,^${VENV##*/},venv," "${VENV##*/}"
    fi
}

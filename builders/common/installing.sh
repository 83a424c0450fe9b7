# Sourced by ../common.sh. Dependencies: what is to be installed, whether it is already, setup.sh, uv's part, how a damaged cache
# is healed; and what `s2i build --incremental` carries over.
# shellcheck shell=bash

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

# find_requirements DIR: sets `requirements`, those of the group: the lock where there is one, else the plain requirements;
# nothing where there is neither.
find_requirements() {
    local name=requirements${GROUP:+.$GROUP}
    for requirements in "$1/$name.lock" "$1/$name.txt" ''; do
        if [ -f "$requirements" ]; then return; fi
    done
}

# dependencies_hash DIR: sets `hash`, of everything that decides what gets installed. One program reads it all: to start one
# takes as long as what an edit has to do. Where models are in groups, setup.sh is the first one's.
dependencies_hash() {
    local file text setup_file=$1/setup.sh
    if [ "${GROUP:-}" ]; then setup_file=; fi
    find_requirements "$1"
    hash=$(
        for file in "$requirements" "$setup_file" "$TRAINYARD_HOME/requirements.txt"; do
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
    if [ -f "$DEPS_STAMP" ]; then read -r installed_hash <"$DEPS_STAMP" || end_damaged "${DEPS_STAMP##*/}"; fi
    if [ "$installed_hash" = "$hash" ]; then
        step "Dependencies are installed already (${hash:0:12})."
        begin_check
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
    list_installed >"$FILES_STAMP"
    printf '%s\n' "$hash" >"$DEPS_STAMP"
}

# begin_installing: what is newer than the file that `installed` names was written by this assembling; one, for all groups.
begin_installing() {
    settled+=("$VENV")
    if [ "${installed:-}" ]; then return; fi
    installed=$VENV/.trainyard-begun
    touch --date '1 second ago' "$installed"
}

# run_setup DIR: native dependencies, before the requirements; once, however many groups there are.
run_setup() {
    if [ ! -f "$1/setup.sh" ] || [ "${setup:-}" ]; then return; fi
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
    local file=$1 output
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
    if [ -d "${file%/*}/local_packages" ]; then options+=(--find-links "${file%/*}/local_packages"); fi
    # What a lock names an index for may be on several, and its hashes say which one is meant.
    if grep -qs '^--extra-index-url ' "$file"; then options+=(--index-strategy unsafe-best-match); fi
    step "Installing dependencies (${file:+${file##*/}}) ..."
    begin_staging "${file##*/}"
    if output=$(uv_install "${options[@]}"); then
        output=$(prepare_packages) || end_installing "$output" "${file##*/}"
    elif grep -q 'Failed to install: ' <<<"$output" && ! grep -q 'No space left on device' <<<"$output"; then
        output=$(sed -nE 's/.*Failed to install: .*\(([A-Za-z0-9._-]+)==.*/\1/p' <<<"$output")
    else
        end_installing "$output" "${file##*/}"
    fi
    if [ "$output" ]; then reinstall "$output" "${file##*/}" "${options[@]}"; fi
    if [ "$unprepared" != "$VENV" ]; then rm -rf "$unprepared" & fi # clean_up waits for it
}

# begin_staging FILE: sets `unprepared`, where uv installs to. Beside a cache that is mounted: there it links files, which takes a
# fourth of the time of a copy, and what the image keeps is copied while it is looked at. Not where packages were restored:
# uv has to see those. What a killed build has left there is locked by nobody.
begin_staging() {
    local staging=$cache/installing all held old
    unprepared=$VENV
    if [ -z "$cache" ] || [ "${restored:-}" ] || [ "$S2I_SOURCES" != /tmp/src ]; then return; fi
    unprepared=$(mkdir -p "$staging" 2>&1) || end_installing "$unprepared" "$1"
    exec {all}<"$staging"
    flock "$all"
    for old in "$staging"/*/; do
        if [ -d "$old" ]; then flock --nonblock "$old" rm -rf "$old" || :; fi
    done
    unprepared=$(mktemp -d "$staging/XXXXXXXX" 2>&1) || end_installing "$unprepared" "$1"
    exec {held}<"$unprepared"
    flock "$held"
    exec {all}<&-
}

# uv_install OPTION...: prints what uv complains about.
uv_install() { uv pip install --quiet --python "$VENV/bin/python" --prefix "$unprepared" "$@" 2>&1; }

# reinstall NAMES FILE OPTION...: packages of which the cache has damaged files.
reinstall() {
    local output name file=$2
    local -a names
    read -r -a names <<<"$1"
    warn "the package cache has damaged files of ${names[*]}: fetched again"
    uv cache clean --quiet "${names[@]}"
    for name in "${names[@]}"; do # so that they count as not installed: uv cannot remove what it has no whole list of
        find "$unprepared"/lib/python*/site-packages -maxdepth 1 -iname "${name//-/_}-*.dist-info" -exec rm -r {} +
    done
    output=$(uv_install "${@:3}") || end_installing "$output" "$file"
    # What was just fetched has the hash that the lock says: then it was made so.
    output=$(prepare_packages "${names[@]}") || end_installing "$output" "$file"
    [ -z "$output" ] || warn "$file: $output: installed, but its files are not those that it lists"
}

# prepare_packages [ACCEPTED...]: from there into the virtual environment: without their own tests, and with bytecode, so that
# the first start is as fast as the second. Prints the names of packages that are damaged.
prepare_packages() {
    # The order of a set is part of the bytecode, and shall be the same every time.
    PYTHONHASHSEED=0 SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH "$VENV/bin/python" "$TRAINYARD_HOME/prepare.py" "$unprepared" "$VENV" "${cache:+"$cache/bytecode"}" "$@"
}

# say_unlocked FILE: a warning, or with STRICT=1 the end.
say_unlocked() {
    local remark="$1: not locked, so each build may get other packages: add a requirements.lock with hashes"
    [ "${STRICT:-0}" != 1 ] || die "$remark (STRICT=1)"
    warn "$remark"
}

# restore_artifacts: what save-artifacts streamed out of the previous image, for `s2i build --incremental`.
restore_artifacts() {
    local python saved=$S2I_ARTIFACTS/venv.tar
    [ -f "$saved" ] || return 0
    python=$(cd "$VENV/lib" && echo python*)
    if tar -tf "$saved" --occurrence "./lib/$python/" >/dev/null 2>&1; then
        step "Restoring the virtual environment of the previous build ..."
        rm -rf "${VENV:?}/lib" "${VENV:?}/bin"
        tar -C "$VENV" --no-same-owner -xf "$saved"
        restored=1
    else
        warn "the previous build's packages are not for $python: everything is installed again"
    fi
    rm "$saved"
}

# save_artifacts: the virtual environment as a file venv.tar, in a tar on stdout; an empty one where the builder image brings it
# along. One file, since s2i unpacks what it gets on the host, and packs it again.
save_artifacts() {
    if grep -qs 'from the builder image' "$DEPS_STAMP"; then
        tar -cf - --files-from /dev/null
    else
        local saved
        saved=$(mktemp -d)
        tar -C "$VENV" -cf "$saved/venv.tar" .
        tar -C "$saved" -cf - venv.tar
    fi
}

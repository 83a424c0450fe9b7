# Sourced by ../common.sh. What is installed, or in the package cache, and is not what it was: found, and where that is possible mended.
# shellcheck shell=bash

# list_installed: a line for each file: its path and size. To read them all would take longer than an edit may.
list_installed() {
    find "$VENV" -xdev ! -type d ! -path "$VENV/.trainyard-*" -printf '%P %s\n' | LC_ALL=C sort
}

# begin_check, end_check: a file that is gone, or of another size, must not be found at the first request. What was begun
# goes on beside the check of the wiring, which ends it. The engines know this error, and install again.
begin_check() {
    if [ -s "$FILES_STAMP" ]; then
        exec {checking}< <(list_installed | LC_ALL=C comm -23 "$FILES_STAMP" - | sed -n 1p)
    else
        exec {checking}<<<"${FILES_STAMP##*/}"
    fi
}

end_check() {
    local missing=
    if [ -z "${checking:-}" ]; then return; fi
    read -r missing <&"$checking" || : # nothing is missing
    exec {checking}<&-
    checking=
    [ -z "$missing" ] || end_damaged "${missing% *}"
}

# end_damaged FILE: of the virtual environment.
end_damaged() { die "$VENV: what is installed is damaged ($1): the image below has to be made anew"; }

# reinstall NAMES FILE OPTION...: packages of which the cache has damaged files.
reinstall() {
    local said name file=$2
    local -a names
    read -r -a names <<<"$1"
    warn "the package cache has damaged files of ${names[*]}: fetched again"
    uv cache clean --quiet "${names[@]}"
    for name in "${names[@]}"; do # so that they count as not installed: uv cannot remove what it has no whole list of
        # shellcheck disable=SC2154 # of begin_staging
        find "$unprepared"/lib/python*/site-packages -maxdepth 1 -iname "${name//-/_}-*.dist-info" -exec rm -r {} +
    done
    said=$(uv_install "${@:3}") || end_installing "$said" "$file"
    # What was just fetched has the hash that the lock says: then it was made so.
    said=$(prepare_packages "${names[@]}") || end_installing "$said" "$file"
    [ -z "$said" ] || warn "$file: $said: installed, but its files are not those that it lists"
}

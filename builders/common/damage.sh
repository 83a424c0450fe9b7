# Sourced by ../common.sh. What is installed and is not what it was: found, for the engines to make it anew.
# shellcheck shell=bash

# list_installed: a line for each file: its path and size. To read them all would take longer than an edit may.
list_installed() {
    # From within: a path is a pattern to find, and the virtual environment's may have a bracket in it.
    (cd "$VENV" && find . -xdev ! -type d ! -path './.trainyard-*' -printf '%P %s\n' | LC_ALL=C sort)
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

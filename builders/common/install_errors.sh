# Sourced by ../common.sh. What uv says of a package that cannot be installed, in one line with the fix.
# shellcheck shell=bash

# end_installing OUTPUT FILE: what uv printed, then the one line.
end_installing() {
    # Indented: the one line that begins with error: is ours. Without the user and the password that a URL may have.
    printf '%s\n' "$1" | sed -E 's|(://)[^/@[:space:]]*@|\1***@|g; s/^/    /' >&2
    explain_install_failure "$@"
}

# explain_install_failure OUTPUT FILE: the one line that says what to fix.
explain_install_failure() {
    if grep -q 'No space left on device' <<<"$1"; then
        die "no space left on the device while installing $2: free some disk space"
    elif grep -qiE 'hash mismatch|invalid package format' <<<"$1"; then
        die "$2: a package is not the one that was locked: run make lock, or check the index"
    elif [ "${WHEELHOUSE:-}" ] && grep -qE 'No solution found|disabled' <<<"$1"; then
        die "$2: WHEELHOUSE lacks what is locked: see uv's reasons above; fill it again: make wheelhouse"
    elif grep -qE "No such file or directory: '?[^ ]*(gcc|cc|clang)|command '[^ ]*(gcc|cc)' failed" <<<"$1"; then
        die "$2: $(grep -o 'Failed to build .*' <<<"$1" | tail -n 1 | cut -d' ' -f4) comes as source and needs a C compiler: set BASE_IMAGE to an image with one and RUNTIME_IMAGE to one without, install gcc in setup.sh, or choose a version with wheels"
    fi
    explain_index "$1"
    if grep -qE 'there (is|are) no versions? of|not found in the package registry' <<<"$1" && [ "${2##*.}" = lock ]; then
        die "$2: the package index does not have what is locked: check INDEX_URL: is it a package index?"
    elif grep -q 'No solution found' <<<"$1"; then
        die "$2: the requirements cannot be resolved together: see uv's reasons above"
    fi
    die "$2: cannot be installed: see uv's reasons above"
}

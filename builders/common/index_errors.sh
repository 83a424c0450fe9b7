# Sourced by ../common.sh. What uv says of an index or a package, in one line with the fix. trainyard/host/requirements/index_errors.py does the
# same for make.
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

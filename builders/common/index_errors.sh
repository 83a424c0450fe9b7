# Sourced by ../common.sh. Written by `python -m tools.make_files` from trainyard/host/requirements/index_errors.py: change it there.
# shellcheck shell=bash

# explain_index OUTPUT: where the package index is to blame, ends with the one line that says what to fix.
explain_index() {
    local answer
    answer=$(sed -nE 's/.*status (server|client) error \(([^)]*)\).*/\2/p' <<<"$1" | head -n 1 | grep . || echo 'what is no list of packages')
    if grep -qE '[Cc]ertificate|UnknownIssuer' <<<"$1"; then die "the certificate of the package index is not trusted: set CA_BUNDLE to your company's CA file"; fi
    if grep -qE '40[13] (Unauthorized|Forbidden)' <<<"$1"; then die "the package index refuses the user and the password: check INDEX_URL and EXTRA_INDEX_URL"; fi
    if grep -qE 'timed out' <<<"$1"; then die "the package index did not answer within ${UV_HTTP_TIMEOUT:-30} s: check the network, INDEX_URL and HTTPS_PROXY, or set INDEX_TIMEOUT higher"; fi
    if grep -qE 'status (server|client) error \(([^)]*)\)|unexpected (JSON|HTML)|Content-Type' <<<"$1"; then die "the package index answered $answer: check the network, INDEX_URL and HTTPS_PROXY"; fi
    if grep -qE 'error sending request|dns error|Connect|to connect' <<<"$1"; then die "the package index cannot be reached: check the network, INDEX_URL and HTTPS_PROXY"; fi
}

# Sourced by ../common.sh. Credentials that would stay in an image.
# shellcheck shell=bash

# check_forms LAYER: what setup.sh left must not look like a credential. Packages bring examples of keys; the sources are
# searched by trainyard.image.check_wiring.
check_forms() {
    local found
    [ "$S2I_SOURCES" = /tmp/src ] || return 0
    # Ignore failure of find since s2i's Dockerfile assembles as 1001, who may not look into each folder, nor write there.
    found=$({ find / /usr/local/bin -xdev \
        \( -path /usr -o -path "$VENV" -o -path "$VENV-*" -o -path "${library:-/nowhere}" -o \
        -path "${APP_ROOT:-/nowhere}" -o -name site-packages \) -prune -o \
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
    if [ -z "${installed:-}" ]; then skipped=(-path /usr -prune -o -path "$VENV" -prune -o -path "$VENV-*" -prune -o); fi
    found=$(LC_ALL=C find "${places[@]}" -xdev "${skipped[@]}" -type f -cnewer "$BUILD_SETTINGS/secrets" \
        -exec grep -slFf "$BUILD_SETTINGS/secrets" {} +) ||
        : # ignore failure since that is what grep says where it finds nothing
    [ -z "$found" ] ||
        die "${found%%$'\n'*}: a credential of this build would stay in the image (layer: $1): let what writes it remove it, or not write it"
}

# Sourced by ../common.sh. What is left behind: removed; and times, so that equal builds give equal file systems.
# shellcheck shell=bash

# settle_times DIR...: equal builds give equal file systems. Only in an image: on a host files are shared with a cache.
settle_times() {
    local epoch=@$SOURCE_DATE_EPOCH
    local -a mine=()
    [ "$S2I_SOURCES" = /tmp/src ] || return 0
    if [ "$EUID" != 0 ]; then mine=(-user "$EUID"); fi # nobody else may set the times of a file
    find "$@" -xdev -newermt "$epoch" "${mine[@]}" -exec touch --no-dereference --date "$epoch" {} +
}

# clean_up: nothing of the assembling itself may stay in the image.
clean_up() {
    wait
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

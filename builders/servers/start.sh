#!/bin/bash
# start.sh track|retrain [VERB [FOLDER] [OPTION...]]: what containers of trainyard/track and trainyard/retrain run.
#
#   RETRAIN_MONOREPO   what the retrain service's monorepo is cloned from   /source, where yours is mounted
set -Eeuo pipefail
umask 0002

state=/var/lib/trainyard
program=$1
shift

die() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# unquote NAME...: docker's --env-file keeps the quotes that a .env file has around values.
unquote() {
    local name value
    for name in "$@"; do
        value=${!name-}
        case $value in
        '"'*'"' | "'"*"'") export "$name=${value:1:${#value}-2}" ;;
        esac
    done
}

# clone_monorepo: jobs check commits out of a clone in the volume, so the source can be read-only. Several containers may
# share the volume.
clone_monorepo() {
    local source=${RETRAIN_MONOREPO:-/source}
    exec {lock}>"$state/.cloning"
    flock "$lock"
    if [ ! -e "$monorepo/.git/whole" ]; then
        rm -rf "$monorepo"
        git clone --quiet "$source" "$monorepo" ||
            die "$source: cannot be cloned: mount a git repository at /source, or set RETRAIN_MONOREPO"
        touch "$monorepo/.git/whole"
    elif ! git -C "$monorepo" pull --quiet --ff-only; then
        printf 'warning: %s gives nothing new: the service goes on with what it has\n' "$source" >&2
    fi
    exec {lock}>&-
}

[ -w "$state" ] || die "$state: uid $EUID may not write there: mount a volume that its group 0 may write to"
# shellcheck disable=SC2046 # names have no spaces
unquote $(compgen -e | grep -E '^(TRACK_|RETRAIN_|MLFLOW_|AZURE_|AWS_|webhook_url$)')
case $program in
track)
    cd "$state"
    [ -e trainyard.toml ] || printf 'version = "0"\n' >trainyard.toml # marks a monorepo, below which mlruns/ is
    ;;
retrain)
    monorepo=$state/monorepo
    clone_monorepo
    cd "$monorepo"
    ;;
*) die "start.sh $program: say track or retrain" ;;
esac
exec /opt/venv/bin/python -P -m trainyard "$@"

# shellcheck shell=sh
# shellcheck shell=sh
# What is done on a machine that a shell reaches: sh -c "$(cat far.sh)" far FOLDER VERB ARGUMENT...
#
# FOLDER/data/SHA256         files that trainings read, by content
# FOLDER/tasks/NAME/         data/ models/ run/ as the container has them, and
#     command                what runs it
#     labels                 whose it is
#     output                 what it prints
#     status                 its exit status, once it is over
#     lock                   held while it goes on, where no cluster knows that; job: its number, where one does
set -eu
umask 077
folder=$1 verb=$2
shift 2
case $folder in /*) ;; *) folder=$HOME/$folder ;; esac
mkdir -p "$folder/data" "$folder/tasks"
cd "$folder"

# Of a task that has no status: "running", "waiting", or that it was "lost".
going_on() {
    if [ -e job ]; then
        case $(squeue --noheader --jobs "$(cat job)" --format %T 2>/dev/null || true) in
        PENDING | CONFIGURING | REQUEUED | SUSPENDED) echo waiting ;;
        RUNNING | COMPLETING) echo running ;;
        *) echo lost ;;
        esac
    elif flock --nonblock lock true; then
        echo lost
    else
        echo running
    fi
}

# What has become of the task in this folder.
state() {
    if [ ! -e status ]; then
        now=$(going_on)
        if [ ! -e status ]; then # it may have ended meanwhile
            echo "$now"
            return
        fi
    fi
    echo "over $(cat status) $(cat oom 2>/dev/null || true)"
}

case $verb in
missing) # SHA256 lines: those that are not here
    here=$(mktemp "$folder/data/.part-XXXXXX")
    trap 'rm -f "$here"' EXIT
    while read -r sha256; do
        if [ -e "data/$sha256" ]; then echo "data/$sha256" >&3; else echo "$sha256"; fi
    done 3>"$here"
    xargs --no-run-if-empty touch <"$here"
    ;;
data) # a tar of files that are called by their sha256
    part=$(mktemp -d "$folder/data/.part-XXXXXX")
    trap 'rm -rf "$part"' EXIT
    tar --extract --directory "$part" --no-same-owner --touch
    cd "$part"
    for sha256 in *; do echo "$sha256  $sha256"; done | sha256sum --check --status || {
        echo "error: a file did not arrive whole" >&2
        exit 1
    }
    find . -type f -exec chmod 0444 {} +
    find . -type f -exec mv --target-directory="$folder/data" {} +
    ;;
unread) # DAYS ["remove"]: the bytes of files that no task has begun with for longer
    find data -maxdepth 1 -type f -mtime "+$1" -printf '%s\n' ${2:+-delete} | awk '{all += $1} END {print all + 0}'
    # What a connection that broke has left.
    [ -z "${2-}" ] || find data tasks -maxdepth 1 -type d -name '.*part*' -mtime "+$1" -exec rm -rf {} +
    ;;
task) # NAME: lines "SHA256 PLACE", "- FOLDER"; what follows an empty line is its command, what is before "=" its labels
    [ -e "tasks/$1" ] && exit 0
    part=tasks/.$1.part
    rm -rf "$part"
    mkdir -p "$part"
    while IFS= read -r line && [ "$line" != = ]; do printf '%s\n' "$line" >>"$part/labels"; done
    while IFS=' ' read -r sha256 place && [ -n "$sha256" ]; do
        if [ "$sha256" = - ]; then
            mkdir -p "$part/$place"
        else
            [ -d "$part/${place%/*}" ] || mkdir -p "$part/${place%/*}"
            ln "data/$sha256" "$part/$place" 2>/dev/null || cp "data/$sha256" "$part/$place"
        fi
    done
    cat >"$part/command"
    mv "$part" "tasks/$1"
    ;;
again) # NAME: it can be started once more; its files, metrics and checkpoints stay
    cd "tasks/$1" 2>/dev/null || exit 0 # its files go there again
    rm -rf started status output oom job
    find models -mindepth 1 -type f -delete
    ;;
start) # NAME: goes on when we are gone
    cd "tasks/$1"
    mkdir started 2>/dev/null || exit 0
    setsid nohup flock lock sh ./command >output 2>&1 </dev/null &
    while [ ! -e status ] && flock --nonblock lock true; do sleep 0.05; done
    ;;
sbatch) # NAME OPTION...
    cd "tasks/$1"
    shift
    mkdir started 2>/dev/null || exit 0
    printf '%s\n' '#!/bin/sh' 'exec sh ./command >output 2>&1' >batch.sh
    sbatch --parsable --output=/dev/null --chdir="$PWD" "$@" batch.sh >job.part || {
        rmdir started
        exit 1
    }
    sed 's/;.*//' job.part >job
    ;;
worker) # NAME NUMBER: on this machine
    cd "tasks/$1"
    exec sh ./command "$2"
    ;;
srun) # NAME NUMBER OPTION...: on a node
    cd "tasks/$1"
    number=$2
    shift 2
    exec srun --quiet --unbuffered "$@" sh ./command "$number"
    ;;
look) # NAME OFFSET MOST: its state, and what it has printed from there on
    cd "tasks/$1" 2>/dev/null || { echo gone; exit 0; }
    state
    [ ! -e output ] || tail --bytes=+$(($2 + 1)) output | head --bytes="$3"
    ;;
why) # NAME: what a cluster knows of one that is over, once it does
    cd "tasks/$1"
    n=50
    while [ -e job ] && [ $n -gt 0 ] && [ "$(going_on)" != lost ]; do
        sleep 0.2
        n=$((n - 1))
    done
    [ ! -e job ] || scontrol --oneliner show job "$(cat job)" 2>/dev/null || true
    ;;
fetch) # NAME: a tar
    cd "tasks/$1"
    tar --create --exclude=run/.hosted models run
    ;;
kill) # CONTAINER ENGINE: a worker
    "$2" rm --force "$1" >/dev/null 2>&1 || true
    ;;
end) # NAME ENGINE SECONDS: end it, in an orderly way as long as that takes no longer
    cd "tasks/$1" 2>/dev/null || exit 0
    [ ! -e status ] || exit 0
    [ ! -e job ] || scancel --full --signal=TERM "$(cat job)" 2>/dev/null || true
    "$2" stop --time "$3" "$1" >/dev/null 2>&1 || true
    [ ! -e job ] || scancel "$(cat job)" 2>/dev/null || true
    ;;
remove) # NAME ENGINE SECONDS: once what runs it has ended, which takes no longer
    cd "tasks/$1" 2>/dev/null || exit 0
    # And workers, which do not notice at once that whoever talked to them cannot be reached.
    # shellcheck disable=SC2046
    "$2" rm --force "$1" $("$2" ps --all --quiet --filter "name=^$1-[0-9]+$" 2>/dev/null || true) >/dev/null 2>&1 || true
    n=$(($3 * 5))
    while [ $n -gt 0 ] && [ -e started ] && [ "$(going_on)" != lost ]; do
        sleep 0.2
        n=$((n - 1))
    done
    [ ! -e lock ] || flock --timeout "$3" lock true || true
    cd "$folder"
    rm -rf "tasks/$1"
    ;;
tasks)
    for one in tasks/*/; do
        [ -e "$one/labels" ] || continue
        (cd "$one" && echo "$(basename "$PWD") $(state | cut -d' ' -f1) $(tr '\n' ' ' <labels)")
    done
    ;;
has) # PROGRAM...
    for program; do
        command -v "$program" >/dev/null || {
            echo "error: $program is not there: install it" >&2
            exit 1
        }
    done
    ;;
free)
    if [ "${1-}" = slurm ]; then
        found=$(sinfo --noheader --format '%C')
        echo "$found" | awk -F/ '{idle += $2; all += $4} END {print idle " of " all " cores"}'
        exit
    fi
    echo "$(nproc) cores, $(awk '/MemAvailable/ {printf "%.1f", $2 / 1048576}' /proc/meminfo) GiB"
    ;;
*)
    echo "error: $verb: not known" >&2
    exit 2
    ;;
esac

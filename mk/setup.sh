#!/bin/sh
# setup.sh ROOT [EXTRA]: makes ROOT/.venv with the package (and its extra, e.g. dev) in it. Called by make, so that the
# first make of a fresh clone sets itself up. The package is the one that ROOT/trainyard.toml names, or else ROOT's own.
set -eu

root=$1
extra=${2:-}
venv=$root/.venv

die() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

case $(cd "$root" && pwd) in
*:*) die "$(cd "$root" && pwd): the path of the monorepo has a colon (':'), which separates folders in PATH and in mounts: rename the folder" ;;
esac

# find_python: the first Python that is new enough; PYTHON overrides.
find_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "no Python 3.11 or newer found: install one, or name it with PYTHON=/path/to/python3"
}

# Two makes at once must not both write the environment.
if command -v flock >/dev/null 2>&1 && [ -z "${TRAINYARD_SETUP_LOCKED:-}" ]; then
    TRAINYARD_SETUP_LOCKED=1 exec flock "$root/mk/setup.sh" sh "$root/mk/setup.sh" "$@"
fi

pin=$root/trainyard.toml
# value KEY: of the pin, which has a line for each key.
value() { sed -n "s/^$1 *= *\"\([^\"]*\)\" *$/\1/p" "$pin"; }
if [ -e "$pin" ]; then
    extras=${extra:+[$extra]}
    case $(value source) in
    *://*) package="trainyard$extras @ $(value source)" ;;
    ?*) package=$root/$(value source)$extras ;;
    *) package=trainyard$extras==$(value version) ;;
    esac
    set -- "$package"
else
    pin=$root/pyproject.toml
    set -- --config-setting editable_mode=compat -e "$root${extra:+[$extra]}"
fi

stamp=$venv/.stamp${extra:+-$extra}
made=$stamp # last of all
[ "$pin" = "$root/pyproject.toml" ] || made=$venv/trainyard.mk
if [ -x "$venv/bin/python" ] && [ -e "$stamp" ] && [ -e "$made" ] && [ -z "$(find "$pin" -newer "$stamp")" ]; then
    exit 0 # somebody else was faster
fi
printf -- '---> Setting up %s (once)\n' "$venv" >&2
# The settings of builds hold here, too: docs/contract.md.
index=${INDEX_URL:-${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-https://pypi.org/simple}}}}
case $index in
*://*[/?#]*@*) die "INDEX_URL is not a URL (it is not shown, as it may hold a password): write %2F for /, %40 for @, %3F for ?, %23 for #" ;;
esac
bundle=${CA_BUNDLE:-${SSL_CERT_FILE:-${REQUESTS_CA_BUNDLE:-${PIP_CERT:-}}}}
if [ -n "$bundle" ]; then export SSL_CERT_FILE="$bundle" PIP_CERT="$bundle"; fi
# Not for ever, and from a folder of wheels where there is one.
export UV_HTTP_TIMEOUT="${INDEX_TIMEOUT:-30}" PIP_DEFAULT_TIMEOUT="${INDEX_TIMEOUT:-30}"
if ! ls "${WHEELHOUSE:-}"/*.whl >/dev/null 2>&1; then WHEELHOUSE=; fi # make wheelhouse fills it
if [ -n "$WHEELHOUSE" ]; then export UV_OFFLINE=1 PIP_NO_INDEX=1 PIP_FIND_LINKS="$WHEELHOUSE"; fi
# Where there is no home, or none to write to, uv and pip would keep their caches in the working folder.
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
if [ -z "${UV_CACHE_DIR:-}" ] && { [ -z "$cache" ] || ! mkdir -p "$cache/uv" 2>/dev/null || [ ! -w "$cache/uv" ]; }; then
    export UV_CACHE_DIR="$root/.trainyard/cache/uv" PIP_NO_CACHE_DIR=1
fi
unreachable="the package index cannot be reached: see the reasons above; set INDEX_URL, HTTPS_PROXY or CA_BUNDLE"

python=$(find_python)
if uv=$(command -v uv); then
    [ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "$python" "$venv" || die "uv cannot make $venv"
else
    uv=$venv/bin/uv
    [ -x "$venv/bin/pip" ] || "$python" -m venv "$venv" ||
        die "$python cannot make virtual environments: install python3-venv (Debian, Ubuntu), or uv"
    [ -x "$uv" ] || PIP_INDEX_URL=$index PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/pip" install --quiet uv ||
        die "$unreachable"
fi
UV_DEFAULT_INDEX=$index "$uv" pip install --quiet --python "$venv/bin/python" ${WHEELHOUSE:+--no-index --find-links "$WHEELHOUSE"} \
    "$@" || die "$unreachable"
# Where its make files are, for mk/trainyard.mk of a monorepo that has no sources of ours.
for folder in "$venv"/lib/python*/site-packages/trainyard/product/mk; do
    # shellcheck disable=SC2016 # make replaces it
    [ ! -d "$folder" ] || printf 'TRAINYARD_MK := $(TRAINYARD_ROOT)%s\n' "${folder#"$root"}" >"$venv/trainyard.mk"
done
touch "$stamp"
[ -e "$made" ] || die "$pin: that Trainyard has no make files: name another version"

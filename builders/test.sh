# Sourced by test/run of both builder images; not run by itself.
# shellcheck shell=bash
#
#   IMAGE_NAME       the builder image to test; it must be here already, it is never pulled
#   S2I              the s2i to build with; bin/s2i adds this machine's CA bundle, index and proxies
#   ARBITRARY_USER   a uid that the image does not know, of group 0

: "${S2I:=s2i}" "${ARBITRARY_USER:=123456:0}"
APP_IMAGE=trainyard-test-app-$$
WORK=$(mktemp -d)
CONTAINERS=()

# step MESSAGE: one line of progress.
step() { printf -- '---> %s\n' "$*"; }

# die MESSAGE
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# clean_up: the test's containers, image and files, however it ends.
clean_up() {
    local container
    for container in "${CONTAINERS[@]}"; do docker rm --force "$container" >/dev/null; done
    docker rmi --force "$APP_IMAGE" >/dev/null 2>&1 || : # ignore failure since a failed build leaves no image
    rm -rf "$WORK"
}
trap clean_up EXIT

# check_usage WORDS: `s2i usage` explains the builder.
check_usage() {
    step "s2i usage $IMAGE_NAME"
    "$S2I" usage "$IMAGE_NAME" 2>&1 | grep -F "$1" >/dev/null || die "s2i usage $IMAGE_NAME does not say: $1"
}

# build_app DIR: the test application's image.
build_app() {
    step "s2i build $1"
    "$S2I" build --copy --pull-policy never "$1" "$IMAGE_NAME" "$APP_IMAGE" || die "s2i build of $1 failed"
}

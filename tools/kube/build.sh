#!/bin/sh
# build.sh kube|kube-pause: builds that program of this folder, unless this machine has it from the same sources, and prints its
# path. Both are static, for tests of clusters. Cold, kube takes ten minutes of processor time, nearly all of it Kubernetes.
set -eu

name=$1
cd "$(dirname "$0")"
case $name in
kube) package=. ;;
kube-pause) package=./pause ;;
*)
    echo 'usage: build.sh kube|kube-pause' >&2
    exit 2
    ;;
esac

digest=$(cat build.sh go.mod go.sum main.go pause/pause.go | sha256sum | cut -c 1-16)
folder=${TRAINYARD_TOOLS:-$HOME/.cache/trainyard/tools}
program=$folder/$name-$digest
if [ ! -x "$program" ]; then
    mkdir -p "$folder"
    new=$(mktemp "$folder/.$name.XXXXXX")
    trap 'rm -f "$new"' EXIT
    version=v$(sed -n 's|^\tk8s.io/kubernetes v||p' go.mod)
    says=k8s.io/component-base/version # without which a kubelet is of version 0.0.0, and no node of the apiserver's
    CGO_ENABLED=0 go build -mod=readonly -buildvcs=false -trimpath -tags providerless -ldflags "-s -w
        -X $says.gitVersion=$version -X $says.gitMajor=1 -X $says.gitMinor=$(echo "$version" | cut -d. -f2)
        -X $says.gitTreeState=clean -X $says.gitCommit=0000000 -X $says.buildDate=2026-01-01T00:00:00Z" -o "$new" "$package" >&2
    chmod 755 "$new"
    mv "$new" "$program" # whole, or not at all
fi
echo "$program"

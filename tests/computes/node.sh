#!/bin/sh
# node.sh ADDRESS GATEWAY [PODS VIA]...: what a node's namespaces begin with. PODS is another node's network of pods.
set -eu

mount --make-rshared / # what a pod mounts is seen by the container runtime
for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$folder"; done # nothing is left on the machine

ip link set lo up
ip address add "$1/24" dev eth0
ip link set eth0 up
ip route add default via "$2" # without one the kubelet does not start
shift 2
while [ $# -gt 0 ]; do
    ip route add "$1" via "$2"
    shift 2
done
echo 1 >/proc/sys/net/ipv4/ip_forward

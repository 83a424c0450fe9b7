#!/bin/sh
# node.sh ADDRESS GATEWAY [PODS VIA]...: what a node's namespaces begin with. PODS is another node's network of pods.
set -eu

mount --make-rshared / # what a pod mounts is seen by the container runtime
for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$folder"; done # nothing is left on the machine

ip link set lo up
ip address add "$1/24" dev eth0
ip link set eth0 up
gateway=$2
ip route add default via "$gateway" # without one the kubelet does not start
shift 2
while [ $# -gt 0 ]; do
    ip route add "$1" via "$2"
    shift 2
done
# This machine knows no way back to a pod: what comes to it from one has the node's address.
nft "add table ip pods; add chain ip pods out { type nat hook postrouting priority srcnat; }
add rule ip pods out ip saddr 10.244.0.0/16 ip daddr $gateway masquerade"
echo 1 >/proc/sys/net/ipv4/ip_forward

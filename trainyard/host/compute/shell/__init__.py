"""Computes that are reached by a shell: this machine, a host by ssh, a cluster of Slurm."""

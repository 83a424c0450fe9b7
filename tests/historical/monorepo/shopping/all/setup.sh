#!/bin/bash
mkdir -p /usr/local/lib/shopping && touch /usr/local/lib/shopping/native
rm -rf /tmp/* /var/tmp/*

#!/bin/bash
# Makes the database the first time, then serves it: POSTGRES_USER, POSTGRES_PASSWORD, as the image postgres has them.
set -Eeuo pipefail
if [ ! -e "$PGDATA/whole" ]; then
    rm -rf "$PGDATA"
    initdb --encoding=UTF8 --locale=C.UTF-8 --username="$POSTGRES_USER" --auth=scram-sha-256 \
        --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") >/dev/null
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    # Nobody can connect from outside before the database is there.
    pg_ctl --wait --options="-c listen_addresses=" start >/dev/null
    PGPASSWORD=$POSTGRES_PASSWORD createdb --host=/var/run/postgresql --username="$POSTGRES_USER" "$POSTGRES_USER"
    pg_ctl --wait stop >/dev/null
    touch "$PGDATA/whole"
fi
unset POSTGRES_PASSWORD
exec postgres -c listen_addresses='*'

#!/bin/sh
# Makes a database cluster in $PGDATA where there is none, for POSTGRES_USER with POSTGRES_PASSWORD and the database POSTGRES_DB,
# and becomes the server.
set -eu

PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

[ "${1:-postgres}" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown postgres: "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    echo "POSTGRES_PASSWORD must be set to make a new database" >&2
    exit 1
  fi
  secret=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$secret"
  initdb --username="$user" --pwfile="$secret" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8
  rm -f "$secret"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  if [ "$database" != postgres ]; then
    # Nobody from outside is let in before the database is there.
    pg_ctl -w -s -o "-c listen_addresses=''" start
    createdb --username="$user" --maintenance-db=postgres "$database"
    pg_ctl -w -s -m fast stop
  fi
fi

[ $# = 0 ] || shift
exec postgres -c listen_addresses='*' "$@"

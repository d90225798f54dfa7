#!/usr/bin/env bash
# A PostgreSQL server for tests, on a free port of loopback. Installs Debian's package if there is no PostgreSQL.
#   tests/postgres/postgres.sh start     prints LOCKSTEP_TEST_POSTGRES=postgres://…
#   tests/postgres/postgres.sh stop
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$PWD/target/postgres

programs() {
    local found
    # The newest installed version.
    found=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$found" ]; then
        return 1
    fi
    dirname "$found"
}

# PostgreSQL refuses to run as root.
as_owner() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups env -C / "$@"
    else
        "$@"
    fi
}

case ${1:-} in
start)
    if ! bin=$(programs); then
        if [ "$(id -u)" -ne 0 ]; then
            echo "install postgresql or run as root" >&2
            exit 1
        fi
        # Debian's package must not create a database cluster, because it would start it as a service.
        mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
        DEBIAN_FRONTEND=noninteractive apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
        bin=$(programs)
    fi
    "$0" stop >/dev/null 2>&1 || true
    # The server's user may have no access to the folders of the checkout, so the data is under /tmp.
    data=$(mktemp -d /tmp/lockstep-postgres.XXXXXX)
    [ "$(id -u)" -ne 0 ] || chown postgres: "$data"
    mkdir -p "$home"
    echo "$data" >"$home/data"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    as_owner "$bin/initdb" --pgdata "$data/db" --username lockstep --auth trust --no-sync --encoding UTF8 --locale C >"$home/log"
    as_owner "$bin/pg_ctl" --pgdata "$data/db" --log "$data/log" --wait --silent \
        --options "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$data -c fsync=off" start
    echo "LOCKSTEP_TEST_POSTGRES=postgres://lockstep@127.0.0.1:$port/postgres"
    ;;
stop)
    if [ -e "$home/data" ]; then
        data=$(cat "$home/data")
        as_owner "$(programs)/pg_ctl" --pgdata "$data/db" --mode immediate --silent stop || true
        case $data in /tmp/lockstep-postgres.*) rm -rf "$data" ;; esac
        rm "$home/data"
    fi
    ;;
*)
    echo "usage: $0 start|stop" >&2
    exit 2
    ;;
esac

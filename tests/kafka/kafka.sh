#!/bin/sh
# A real Apache Kafka for tests: one node with KRaft on 127.0.0.1. All its files are under target/kafka.
#
#   kafka.sh start   downloads Kafka with Maven if needed, starts it, waits until it answers, and prints
#                    LOCKSTEP_TEST_BROKERS=127.0.0.1:PORT
#   kafka.sh wait    waits until the started broker answers and prints the same line
#   kafka.sh stop    stops it
#
# KAFKA_PORT and KAFKA_CONTROLLER_PORT set the ports; without them free ports are used. KAFKA_HOME_DIR replaces target/kafka,
# and KAFKA_LIB_DIR its folder lib, where the fetched files are: with both, several brokers run side by side.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
home=${KAFKA_HOME_DIR:-$here/../../target/kafka}
mkdir -p "$home"
home=$(CDPATH= cd -- "$home" && pwd)
lib=${KAFKA_LIB_DIR:-$home/lib}
run=$home/run

say() { echo "kafka.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

install_if_missing() {
    command -v "$1" >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing $2"
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$2"; } \
            >"$home/apt.log" 2>&1 || fail "cannot install $2, see $home/apt.log"
    else
        fail "$1 is missing; install it (Debian: apt-get install $2) and try again"
    fi
}

fetch() {
    wanted=$(cksum <"$here/pom.xml")
    [ -f "$lib/.complete" ] && [ "$(cat "$lib/.complete")" = "$wanted" ] && return
    install_if_missing mvn maven
    say "fetching Apache Kafka through Maven into $lib"
    rm -rf "$lib"
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$lib" \
        >"$home/maven.log" 2>&1 || fail "Maven cannot fetch Kafka, see $home/maven.log"
    echo "$wanted" >"$lib/.complete"
}

running() { [ -f "$run/pid" ] && kill -0 "$(cat "$run/pid")" 2>/dev/null; }

# A port on which no process listens, by the kernel's list of sockets.
free_port() {
    port=$(( $1 + $$ % 2000 ))
    while hex=$(printf '%04X' "$port") && cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ":$hex "; do
        port=$(( port + 1 ))
    done
    echo "$port"
}

java_main() { main=$1; shift; java -Xmx256m -cp "$lib/*" "-Dlog4j2.configurationFile=$here/log4j2.properties" "$main" "$@"; }

await() {
    running || fail "no broker is running; kafka.sh start starts one"
    port=$(cat "$run/port")
    tries=0
    until grep -q 'Kafka Server started' "$run/broker.log" 2>/dev/null; do
        running || fail "the broker ended, see $run/broker.log: $(tail -n 3 "$run/broker.log")"
        tries=$(( tries + 1 ))
        [ "$tries" -lt 480 ] || fail "the broker does not answer after two minutes, see $run/broker.log"
        sleep 0.25
    done
    echo "LOCKSTEP_TEST_BROKERS=127.0.0.1:$port"
}

start() {
    if running; then
        await
        return
    fi
    install_if_missing java openjdk-17-jre-headless
    fetch
    rm -rf "$run"
    mkdir -p "$run"
    port=${KAFKA_PORT:-$(free_port 29092)}
    controller=${KAFKA_CONTROLLER_PORT:-$(free_port 39092)}
    cat >"$run/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$run/data
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
END
    java_main kafka.tools.StorageTool format -t "$(java_main kafka.tools.StorageTool random-uuid 2>/dev/null | tail -n 1)" \
        -c "$run/server.properties" >"$run/format.log" 2>&1 || fail "cannot format the storage, see $run/format.log"
    echo "$port" >"$run/port"
    # In its own session, so that an interrupt of the tests does not end the broker; `kafka.sh stop` ends it.
    $(command -v setsid) java -Xmx512m -XX:+UseSerialGC -cp "$lib/*" "-Dlog4j2.configurationFile=$here/log4j2.properties" \
        kafka.Kafka "$run/server.properties" >"$run/broker.log" 2>&1 </dev/null &
    echo $! >"$run/pid"
    await
}

stop() {
    running || { rm -f "$run/pid"; say "no broker is running"; return; }
    pid=$(cat "$run/pid")
    kill "$pid"
    tries=0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$(( tries + 1 ))
        [ "$tries" -lt 120 ] || { kill -9 "$pid" 2>/dev/null || true; break; }
        sleep 0.25
    done
    rm -f "$run/pid"
    say "stopped"
}

case ${1:-} in
    start) start ;;
    wait) await ;;
    stop) stop ;;
    *) echo "usage: kafka.sh start|wait|stop" >&2; exit 2 ;;
esac

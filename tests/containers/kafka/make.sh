#!/usr/bin/env bash
# A stand-in for apache/kafka:4.1.1: the jars of that release through Maven, Debian's Java 17, and scripts with the names and the
# places of the published image. Settings come from KAFKA_* by Kafka's own wrapper, as there.
#
#   kafka/make.sh IMAGE     needs Maven
set -euo pipefail
image=${1:?usage: make.sh IMAGE}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$work/libs" >"$work/maven.log" 2>&1 || {
    tail -n 20 "$work/maven.log" >&2
    exit 1
}
cp -r "$here/bin" "$here/docker" "$work/"
chmod 755 "$work"/bin/* "$work/docker/run"
docker build ${BUILD_NETWORK:+--network "$BUILD_NETWORK"} -t "$image" -f "$here/Dockerfile" "$work"

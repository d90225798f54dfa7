#!/usr/bin/env bash
# A stand-in for prom/prometheus, see the Dockerfile.
#
#   prometheus/make.sh IMAGE
set -euo pipefail
image=${1:?usage: make.sh IMAGE}
docker build ${BUILD_NETWORK:+--network "$BUILD_NETWORK"} -t "$image" - <"$(dirname "$0")/Dockerfile"

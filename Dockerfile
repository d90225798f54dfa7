# One image for every service: `lockstep serve intake|detect|share`. BuildKit builds it (Docker 23 or newer, or DOCKER_BUILDKIT=1). docs/operator.md has the
# commands for several architectures and for a list of the components (SBOM).

FROM rust:1.95-slim-bookworm AS build
# librdkafka and SQLite are compiled from source. Debian's point releases change versions, so no version is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ libssl-dev make pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches keep downloaded and compiled dependencies between builds. The finished program is copied out of the cache. Cargo compares times of change,
# and a source may be older than what another build left in the cache: so all sources of ours are new, and only they are compiled again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    find crates tests -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package lockstep --features kafka-tls \
    && install -D -s target/release/lockstep /out/lockstep

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 lockstep \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /opt/lockstep --shell /usr/sbin/nologin lockstep \
    && install -d -o lockstep -g lockstep -m 700 /opt/lockstep/.lockstep \
    && install -d -o lockstep -g lockstep -m 750 /opt/lockstep/metrics-token
COPY --from=build /out/lockstep /usr/local/bin/lockstep
COPY models /opt/lockstep/models
COPY config/lockstep.toml config/sharing.toml /opt/lockstep/config/
USER 10001:10001
# All paths are relative to this folder: models/, config/ and .lockstep/. Only .lockstep/ is written to: mount a volume there for `detect` and `share`. The image
# declares none, so that no container leaves an unnamed volume behind.
WORKDIR /opt/lockstep
EXPOSE 8080 8081 9464
# Bash sends the HTTP request, so no other program must be installed for the health check. /live needs no token. With admin.tls
# the port speaks TLS: replace the health check then.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=6 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /live HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["lockstep"]
CMD ["--help"]

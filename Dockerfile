# The daemon with its software workers and its demo, without GStreamer sources and without weights for real people (docs/models.md:
# sightline models fetch).
# Understood by BuildKit and by the legacy builder.
#
#   docker build -t sightline .
#   docker run --rm -it sightline demo
#   docker run --rm sightline --help
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates curl g++ libfaiss-dev libopenblas-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/sightline
# Certificates of the system, so that a proxy of one's own is believed by Node.js as well.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt PATH=/opt/node/bin:$PATH
COPY tools/fetch-node tools/fetch-node
COPY tools/node tools/node
RUN tools/fetch-node /opt/node
COPY package.json package-lock.json .npmrc ./
RUN npm ci && npm cache clean --force
COPY tools/build-native.mjs tools/
COPY native native
# A vector search that falls back to scanning must not go unnoticed in an image.
RUN rm -rf node_modules/gstreamer-superficial \
  && node tools/build-native.mjs \
  && node -e "require('faiss-node')" \
  && npm prune --omit=dev \
  && node -e "require('faiss-node')" \
  && rm -rf node_modules/gstreamer-superficial node_modules/faiss-node/src node_modules/node-api-headers \
  && cd node_modules/onnxruntime-node/bin/napi-v6 && rm -rf darwin win32 \
  && cd linux && find . -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -rf {} +

FROM ${BASE}
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates fonts-dejavu-core libopenblas0-pthread libgomp1 tzdata \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 10001 sightline \
  && useradd --uid 10001 --gid 10001 --home-dir /var/lib/sightline --no-create-home --shell /usr/sbin/nologin sightline
COPY --from=build /opt/node/bin/node /usr/local/bin/node
COPY --from=build /opt/sightline/node_modules /opt/sightline/node_modules
COPY package.json LICENSE NOTICE /opt/sightline/
COPY bin /opt/sightline/bin
COPY src /opt/sightline/src
COPY config /opt/sightline/config
COPY pipelines /opt/sightline/pipelines
COPY demo /opt/sightline/demo
COPY model_repository /opt/sightline/model_repository
# Templates of what DeepStream containers are given; those have images of their own.
COPY deepstream/config /opt/sightline/deepstream/config
# Weights are fetched into the repository and pinned there, `sightline triton render` writes what a server is to serve to /srv/models; these
# three directories are the ones to mount volumes on.
RUN ln -s /opt/sightline/src/main.ts /usr/local/bin/sightline \
  && mkdir -p /var/lib/sightline /etc/sightline /srv/models \
  && chown -R 10001:10001 /var/lib/sightline /opt/sightline/model_repository /srv/models \
  && chmod 0700 /var/lib/sightline
ENV NODE_ENV=production OMP_NUM_THREADS=1 MALLOC_ARENA_MAX=2 NODE_OPTIONS="--max-semi-space-size=4 --disable-sigusr1" SIGHTLINE_HEALTH=http://127.0.0.1:8080/healthz
USER 10001:10001
WORKDIR /var/lib/sightline
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.SIGHTLINE_HEALTH).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["sightline"]
CMD ["run", "/etc/sightline/sightline.yaml"]

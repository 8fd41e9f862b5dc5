# docker build --build-arg VERSION=$(git describe --tags) -t headwater .
#
# One image with both binaries: the server, and hwctl for `docker exec`.

# The tag follows Go's patch releases: 1.26.10 and newer distrust the certificate
# authorities of CVE-2026-111943, and pages go out over TLS.
FROM golang:1.26 AS build
WORKDIR /src

# Modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=unknown
ARG REVISION=unknown
RUN CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w \
      -X github.com/prometheus/common/version.Version=${VERSION} \
      -X github.com/prometheus/common/version.Revision=${REVISION}" \
    -o /out/ ./cmd/headwater ./cmd/hwctl
# distroless has no mkdir: the data folder is made here, and copied with its owner.
RUN mkdir /out/data

# static: CA certificates, time zones and a non-root user; no shell.
FROM gcr.io/distroless/static-debian12:nonroot
LABEL org.opencontainers.image.title="headwater" \
      org.opencontainers.image.description="Groups a cascade of alerts into one incident with a probable origin, and pages once" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/headwater /out/hwctl /usr/local/bin/
COPY --from=build --chown=nonroot:nonroot /out/data /data

# Incidents, the stream and the page outbox. Losing it loses what was accepted.
VOLUME /data
# 9097: webhooks, REST, gRPC-Web, UI, metrics.  9098: gRPC.
EXPOSE 9097 9098
USER nonroot
ENTRYPOINT ["/usr/local/bin/headwater"]
CMD ["--config.file=/etc/headwater/headwater.yaml", "--storage.path=/data"]

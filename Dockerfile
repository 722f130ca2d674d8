# Builds the server and leaves an image with nothing else in it.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN rustup target add wasm32-wasip2 \
 && cargo build --release --locked -p netwatch-server \
 && mkdir /empty

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/netwatch-server /usr/local/bin/netwatch-server
COPY --from=build --chown=65532:65532 /empty /data
ENV DATA_DIR=/data PORT=8080
EXPOSE 8080
VOLUME /data
ENTRYPOINT ["/usr/local/bin/netwatch-server"]

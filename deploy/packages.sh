# The Debian packages that Tocsin needs, by purpose. Sourced by deploy/setup.sh; why each is there
# stands in the README.
build_packages='ca-certificates curl gcc clang llvm meson ninja-build pkg-config python3 bpftool esbuild libc6-dev
	linux-libc-dev libbpf-dev libmicrohttpd-dev libgnutls28-dev libcurl4-openssl-dev librdkafka-dev libhiredis-dev
	libsqlite3-dev libyaml-dev libpcre2-dev libssl-dev zlib1g-dev libzstd-dev libelf-dev
	libseccomp-dev'
test_packages='libcmocka-dev libjansson-dev libclang-rt-14-dev python3-pytest python3-selenium redis-server redis-tools kcat strace git make
	chromium chromium-driver openssl procps zstd mandoc maven openjdk-17-jre-headless golang-go
	node-typescript clang-format podman runc busybox-static docker.io
	libc6-dev-arm64-cross'

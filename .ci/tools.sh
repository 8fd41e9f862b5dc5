#!/usr/bin/env bash
# Installs the pinned tools that are named as arguments into .tmp/bin:
#
#   bash .ci/tools.sh buf protoc-gen-go golangci-lint
#
# Go tools are built from the modules under .ci/tools/, buf comes from npm by
# .ci/package-lock.json. A tool is made again only when its module's files or the Go
# version change, so that a second call costs milliseconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
bin=$root/.tmp/bin
mkdir -p "$bin" "$root/.tmp/stamps"

# build MODULE PACKAGE: one Go tool out of one of the modules in .ci/tools.
build() {
	local module=.ci/tools/$1 package=$2 name=${2##*/} want
	want=$( (go env GOVERSION GOOS GOARCH && find "$module" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat) | sha256sum)
	[[ -x $bin/$name && $(cat "$root/.tmp/stamps/$name" 2>/dev/null) == "$want" ]] && return
	echo "building $name" >&2
	(cd "$module" && CGO_ENABLED=0 GOFLAGS= GOWORK=off go build -trimpath -ldflags='-s -w' -o "$bin/$name.new" "$package")
	mv "$bin/$name.new" "$bin/$name"
	echo "$want" >"$root/.tmp/stamps/$name"
}

# buf's release binary, from the npm package that holds it for this platform. No
# install script is run, and the lock file holds the checksum. Elsewhere than on
# Linux, put the same version of buf (.ci/package.json) on the PATH instead.
install_buf() {
	local want
	want=$(cat .ci/package.json .ci/package-lock.json | sha256sum)
	[[ -x $bin/buf && $(cat .tmp/stamps/buf 2>/dev/null) == "$want" ]] && return
	echo "installing buf" >&2
	mkdir -p .tmp/npm
	cp .ci/package.json .ci/package-lock.json .tmp/npm/
	(cd .tmp/npm && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2)
	local found
	found=$(find "$root/.tmp/npm/node_modules" -path '*/buf-*/bin/buf' -type f 2>/dev/null | head -n 1)
	[[ -n $found ]] || found=$(command -v buf) || {
		echo "tools.sh: no pinned buf for $(uname -sm); install the version in .ci/package.json on the PATH" >&2
		return 1
	}
	ln -sf "$found" "$bin/buf"
	echo "$want" >.tmp/stamps/buf
}

for tool in "$@"; do
	case $tool in
	buf) install_buf ;;
	protoc-gen-go) build generate google.golang.org/protobuf/cmd/protoc-gen-go ;;
	protoc-gen-go-grpc) build generate google.golang.org/grpc/cmd/protoc-gen-go-grpc ;;
	protoc-gen-grpc-gateway) build generate github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway ;;
	protoc-gen-openapiv2) build generate github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2 ;;
	gofumpt) build lint mvdan.cc/gofumpt ;;
	golangci-lint) build lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint ;;
	mdpaths) build check github.com/headwater-sre/headwater/.ci/tools/check/mdpaths ;;
	deploy) build check github.com/headwater-sre/headwater/.ci/tools/check/deploy ;;
	amtool) build alertmanager github.com/prometheus/alertmanager/cmd/amtool ;;
	*)
		echo "tools.sh: unknown tool $tool" >&2
		exit 2
		;;
	esac
done

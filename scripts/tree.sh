#!/usr/bin/env bash
# Lays out below ROOT what a package of vrfredist has, whatever kind of package:
#
#   scripts/tree.sh ROOT VERSION
#
# It needs no root. VRFREDIST_PROGRAM may name a program that is built already,
# GOARCH an architecture that is not this one. All is as old as SOURCE_DATE_EPOCH
# (see scripts/epoch.sh), so that the same tree of sources gives the same here.
set -euo pipefail
root=$(realpath -m "$1")
version=$2
cd "$(dirname "$0")/.."
SOURCE_DATE_EPOCH=$(scripts/epoch.sh)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# What the packaged documents link to and only the repository has is at its address.
home=https://$(awk '$1 == "module" { print $2 }' go.mod)
put() { # MODE SOURCE DESTINATION
	install -D -m "$1" "$2" "$root/$3"
}
pack() { # SOURCE DESTINATION: as gzip does it everywhere alike
	mkdir -p "$(dirname "$root/$2")"
	gzip -9nc "$1" >"$root/$2"
	chmod 0644 "$root/$2"
}
page() { # SOURCE DESTINATION
	mkdir -p "$(dirname "$root/$2")"
	sed -E "s#\]\((\.\./)*((DESIGN\.md|bench/|api/access/|scripts/|\.ci/)[^)]*)\)#](${home}/blob/main/\2)#g" "$1" >"$root/$2"
	chmod 0644 "$root/$2"
}

if [ -n "${VRFREDIST_PROGRAM-}" ]; then
	put 0755 "$VRFREDIST_PROGRAM" usr/bin/vrfredist
else
	scripts/build.sh "$made/vrfredist" "$version"
	put 0755 "$made/vrfredist" usr/bin/vrfredist
fi

# The manual and the completions are made by a program of this machine.
echo "Making the manual and the completions with a program of this machine: it is built as well, where it is not yet." >&2
GOARCH= GOFLAGS= CGO_ENABLED=0 go run -trimpath -buildvcs=false -pgo="${PGO:-auto}" -tags mangen -ldflags "-X main.version=$version" ./cmd/vrfredist "$made/manual"
for page in "$made"/manual/*.[15]; do
	pack "$page" "usr/share/man/man${page##*.}/$(basename "$page").gz"
done
put 0644 "$made/manual/vrfredist.bash" usr/share/bash-completion/completions/vrfredist
put 0644 "$made/manual/vrfredist.zsh" "${ZSH_COMPLETIONS:-usr/share/zsh/site-functions}/_vrfredist"
put 0644 "$made/manual/vrfredist.fish" usr/share/fish/vendor_completions.d/vrfredist.fish

put 0644 contrib/systemd/vrfredist.service usr/lib/systemd/system/vrfredist.service
put 0644 contrib/systemd/vrfredist.sysusers usr/lib/sysusers.d/vrfredist.conf
put 0644 contrib/systemd/netns.conf usr/share/vrfredist/netns.conf
put 0644 contrib/systemd/router-advertisements.conf usr/share/vrfredist/router-advertisements.conf
put 0640 contrib/debian/vrfredist.toml etc/vrfredist/vrfredist.toml
put 0644 contrib/debian/default etc/default/vrfredist
put 0644 contrib/debian/rt_protos.conf etc/iproute2/rt_protos.d/vrfredist.conf
# For clients in other languages, and those that take a .proto at run time.
put 0644 api/v1/vrfredist.proto usr/share/vrfredist/api/v1/vrfredist.proto

# The documents lie to each other as in the repository, for their links.
doc=usr/share/doc/vrfredist
put 0644 contrib/debian/copyright $doc/copyright
page README.md $doc/README.md
page CONTRIBUTING.md $doc/CONTRIBUTING.md
put 0644 CHANGELOG.md $doc/CHANGELOG.md
for page in docs/*.md docs/guides/*.md; do
	page "$page" "$doc/$page"
done
put 0644 docs/status.png $doc/docs/status.png
for file in $(find examples contrib/prometheus contrib/grafana contrib/kubernetes -type f ! -name '*.test.yml' | LC_ALL=C sort); do
	put 0644 "$file" "$doc/$file"
done
mkdir -p "$root/$doc/api"
ln -s ../../../vrfredist/api/v1 "$root/$doc/api/v1"
for file in prometheus/vrfredist.rules.yml grafana/vrfredist.json; do
	ln -s "../contrib/$file" "$root/$doc/examples/${file##*/}"
done

find "$root" -type d -exec chmod 0755 {} +
chmod 0750 "$root/etc/vrfredist"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +

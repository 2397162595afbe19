#!/usr/bin/env bash
# Builds the Debian package:
#
#   scripts/deb.sh DIRECTORY [VERSION]
#
# and prints its path. It needs dpkg-deb, and no root. The same tree gives the
# same package, byte for byte. VRFREDIST_PROGRAM may name a program that is built
# already, GOARCH an architecture that is not this one, and
# VRFREDIST_DEB_COMPRESSION another compression than xz.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
version=${2:-$(scripts/version.sh)}
arch=$(go env GOARCH)
case $arch in
arm) arch=armhf ;;
386) arch=i386 ;;
ppc64le) arch=ppc64el ;;
esac
if [ -z "${SOURCE_DATE_EPOCH-}" ]; then
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y go.mod)
fi
export SOURCE_DATE_EPOCH

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
root=$tree/root
put() { # MODE SOURCE DESTINATION
	install -D -m "$1" "$2" "$root/$3"
}
pack() { # SOURCE DESTINATION: as gzip does it everywhere alike
	mkdir -p "$(dirname "$root/$2")"
	gzip -9nc "$1" >"$root/$2"
	chmod 0644 "$root/$2"
}

if [ -n "${VRFREDIST_PROGRAM-}" ]; then
	put 0755 "$VRFREDIST_PROGRAM" usr/bin/vrfredist
else
	scripts/build.sh "$tree/vrfredist" "$version"
	put 0755 "$tree/vrfredist" usr/bin/vrfredist
fi

# The manual and the completions are made by a program of this machine.
GOARCH= GOFLAGS= CGO_ENABLED=0 go run -trimpath -buildvcs=false -tags mangen -ldflags "-X main.version=$version" ./cmd/vrfredist "$tree/made"
for page in "$tree"/made/*.[15]; do
	pack "$page" "usr/share/man/man${page##*.}/$(basename "$page").gz"
done
put 0644 "$tree/made/vrfredist.bash" usr/share/bash-completion/completions/vrfredist
put 0644 "$tree/made/vrfredist.zsh" usr/share/zsh/vendor-completions/_vrfredist
put 0644 "$tree/made/vrfredist.fish" usr/share/fish/vendor_completions.d/vrfredist.fish

put 0644 contrib/systemd/vrfredist.service usr/lib/systemd/system/vrfredist.service
put 0644 contrib/systemd/vrfredist.sysusers usr/lib/sysusers.d/vrfredist.conf
put 0644 contrib/systemd/netns.conf usr/share/vrfredist/netns.conf
put 0644 contrib/systemd/router-advertisements.conf usr/share/vrfredist/router-advertisements.conf
put 0640 contrib/debian/vrfredist.toml etc/vrfredist/vrfredist.toml
chmod 0750 "$root/etc/vrfredist"
put 0644 contrib/debian/default etc/default/vrfredist
put 0644 contrib/debian/rt_protos.conf etc/iproute2/rt_protos.d/vrfredist.conf

doc=usr/share/doc/vrfredist
put 0644 contrib/debian/copyright $doc/copyright
put 0644 contrib/debian/lintian-overrides usr/share/lintian/overrides/vrfredist
for page in README.md docs/*.md; do
	put 0644 "$page" "$doc/$(basename "$page")"
done
for file in $(cd examples && find . -type f | sort); do
	put 0644 "examples/$file" "$doc/examples/${file#./}"
done
for file in contrib/prometheus/*.rules.yml contrib/grafana/*.json; do
	put 0644 "$file" "$doc/examples/$(basename "$file")"
done
printf 'vrfredist (%s) unstable; urgency=medium\n\n  * Built from the repository; its log says what changed.\n\n -- vrfredist maintainers <maintainers@vrfredist.invalid>  %s\n' \
	"$version" "$(LC_ALL=C date -Ru -d "@$SOURCE_DATE_EPOCH")" >"$tree/changelog"
pack "$tree/changelog" $doc/changelog.gz

mkdir "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" \
	-e "s/@SIZE@/$(du -ks --exclude=DEBIAN --apparent-size "$root" | cut -f1)/" contrib/debian/control >"$root/DEBIAN/control"
(cd "$root" && find etc -type f | sort | sed 's|^|/|') >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
for script in postinst prerm postrm; do
	put 0755 "contrib/debian/$script" "DEBIAN/$script"
done
chmod 0644 "$root"/DEBIAN/{control,conffiles,md5sums}
find "$root" -type d ! -path '*/etc/vrfredist' -exec chmod 0755 {} +

mkdir -p "$out"
package=$out/vrfredist_${version}_$arch.deb
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group "-Z${VRFREDIST_DEB_COMPRESSION:-xz}" --build "$root" "$package" >/dev/null
echo "$package"

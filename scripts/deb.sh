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
SOURCE_DATE_EPOCH=$(scripts/epoch.sh)
export SOURCE_DATE_EPOCH

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
root=$tree/root
ZSH_COMPLETIONS=usr/share/zsh/vendor-completions scripts/tree.sh "$root" "$version"
install -D -m 0644 contrib/debian/lintian-overrides "$root/usr/share/lintian/overrides/vrfredist"
# Debian's own changelog says what the package is; what changed is upstream's.
doc=$root/usr/share/doc/vrfredist
printf 'vrfredist (%s) unstable; urgency=medium\n\n  * Built from the repository: CHANGELOG.md says what changed.\n\n -- vrfredist maintainers <maintainers@vrfredist.invalid>  %s\n' \
	"$version" "$(LC_ALL=C date -Ru -d "@$SOURCE_DATE_EPOCH")" | gzip -9nc >"$doc/changelog.gz"
chmod 0644 "$doc/changelog.gz"

mkdir "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" \
	-e "s/@SIZE@/$(du -ks --exclude=DEBIAN --apparent-size "$root" | cut -f1)/" contrib/debian/control >"$root/DEBIAN/control"
(cd "$root" && find etc -type f | sort | sed 's|^|/|') >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
for script in postinst prerm postrm; do
	install -m 0755 "contrib/debian/$script" "$root/DEBIAN/$script"
done
chmod 0644 "$root"/DEBIAN/{control,conffiles,md5sums}
find "$root" -type d ! -path '*/etc/vrfredist' -exec chmod 0755 {} +

mkdir -p "$out"
package=$out/vrfredist_${version}_$arch.deb
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group "-Z${VRFREDIST_DEB_COMPRESSION:-xz}" --build "$root" "$package" >/dev/null
echo "$package"

package service_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

func makeRPM(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("scripts/rpm.sh", t.TempDir(), version)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "VRFREDIST_PROGRAM="+shipped(t), "SOURCE_DATE_EPOCH=1790000000", "VRFREDIST_RPM_COMPRESSION=gzip:1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/rpm.sh: %v: %s", err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// TestRPM: the package for distributions with RPM has the version, the program and the rights of
// Debian's, and the same bytes when it is built again.
func TestRPM(t *testing.T) {
	lab.Need(t, "rpm")
	path := makeRPM(t)
	if got, want := must(t, "rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{BUILDTIME}", path), "vrfredist "+version+" 1790000000"; got != want {
		t.Errorf("the package is %q, want %q", got, want)
	}
	files := strings.Split(must(t, "rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]", path), "\n")
	for _, want := range []string{
		"-rwxr-xr-x root root /usr/bin/vrfredist",
		"drwxr-x--- root vrfredist /etc/vrfredist",
		"-rw-r----- root vrfredist /etc/vrfredist/vrfredist.toml",
		"-rw-r--r-- root root /usr/lib/systemd/system/vrfredist.service",
		"-rw-r--r-- root root /usr/share/vrfredist/netns.conf",
		"-rw-r--r-- root root /usr/share/vrfredist/api/v1/vrfredist.proto",
		"-rw-r--r-- root root /usr/share/man/man5/vrfredist.conf.5.gz",
		"-rw-r--r-- root root /usr/share/zsh/site-functions/_vrfredist",
		"-rw-r--r-- root root /usr/share/doc/vrfredist/docs/guides/namespace.md",
		"-rw-r--r-- root root /usr/share/doc/vrfredist/copyright",
	} {
		if !slices.Contains(files, want) {
			t.Errorf("the package has no %q:\n%s", want, strings.Join(files, "\n"))
		}
	}
	if got, want := strings.Fields(must(t, "rpm", "-qcp", path)), []string{"/etc/default/vrfredist", "/etc/iproute2/rt_protos.d/vrfredist.conf", "/etc/vrfredist/vrfredist.toml"}; !slices.Equal(got, want) {
		t.Errorf("its configuration files are %q, want %q", got, want)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(makeRPM(t)); err != nil || !bytes.Equal(first, again) {
		t.Errorf("two packages of one tree differ: %d and %d bytes (%v)", len(first), len(again), err)
	}
}

// TestRPMInstalls installs the package, changes its configuration, upgrades and removes it, on a
// copy of this host that is thrown away.
func TestRPMInstalls(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: rpm gives files to their owners")
	}
	lab.Need(t, "rpm", "unshare", "chroot", "useradd", "getent")
	dir := t.TempDir()
	packages := []string{makeRPM(t), makeRPM(t)}
	for i, p := range packages {
		must(t, "install", "-D", "-m", "0644", p, fmt.Sprintf("%s/packages/%d.rpm", dir, i))
	}
	script := `
mount -t tmpfs tmpfs "$0" 2>/dev/null || exit 77
mkdir "$0/upper" "$0/work" "$0/host"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/host" || exit 77
mkdir -p "$0/host/packages" "$0/host/var/lib/rpm" "$0/host/proc" "$0/host/dev"
mount --bind "$1" "$0/host/packages"
mount -t proc proc "$0/host/proc"
mount --rbind /dev "$0/host/dev"
exec chroot "$0/host" sh -exc '
	userdel vrfredist 2>/dev/null || true
	rpm --initdb
	rpm -i --nodeps /packages/0.rpm
	/usr/bin/vrfredist version | grep -F "$1"
	/usr/bin/vrfredist check -f /etc/vrfredist/vrfredist.toml
	stat -c "%a %U %G" /etc/vrfredist/vrfredist.toml | grep -x "640 root vrfredist"
	echo "# mine" >>/etc/vrfredist/vrfredist.toml
	rpm -U --nodeps --replacepkgs --force /packages/1.rpm
	grep -x "# mine" /etc/vrfredist/vrfredist.toml
	rpm -e vrfredist
	test ! -e /usr/bin/vrfredist
	test ! -e /usr/share/vrfredist
	grep -x "# mine" /etc/vrfredist/vrfredist.toml.rpmsave
' sh "$2"`
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", script, t.TempDir(), filepath.Join(dir, "packages"), version)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 77 {
		t.Skipf("this kernel lays no file system over another here: %s", out)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

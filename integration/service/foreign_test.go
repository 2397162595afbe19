package service_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestPackagesOfAnotherArchitecture: packages for an architecture that this host does not have say
// so, with a program that is built for it; their manuals and completions are made all the same.
func TestPackagesOfAnotherArchitecture(t *testing.T) {
	lab.Need(t, "dpkg-deb", "rpm")
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	t.Setenv("GOARCH", other())
	if err := build("../..", program); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "SOURCE_DATE_EPOCH=1790000000", "VRFREDIST_DEB_COMPRESSION=none", "VRFREDIST_RPM_COMPRESSION=gzip:1", "VRFREDIST_PROGRAM="+program)
	built := func(script string) string {
		t.Helper()
		cmd := exec.Command(script, t.TempDir(), version)
		cmd.Dir, cmd.Env = "../..", env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return strings.TrimSpace(string(out))
	}
	deb, rpm := built("scripts/deb.sh"), built("scripts/rpm.sh")
	if got := strings.TrimSpace(must(t, "dpkg-deb", "--field", deb, "Architecture")); got != other() {
		t.Errorf("the Debian package is of %q, want %s", got, other())
	}
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[other()]
	if got := must(t, "rpm", "-qp", "--qf", "%{ARCH}", rpm); got != machine {
		t.Errorf("the package for RPM is of %q, want %s", got, machine)
	}
	must(t, "dpkg-deb", "--extract", deb, dir)
	if pages, err := filepath.Glob(filepath.Join(dir, "usr/share/man/man?/*.gz")); err != nil || len(pages) < 10 {
		t.Errorf("%d pages of the manual (%v)", len(pages), err)
	}
	f, err := elf.Open(filepath.Join(dir, "usr/bin/vrfredist"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[other()]; f.Machine != want {
		t.Errorf("the program is for %v, want %v", f.Machine, want)
	}
}

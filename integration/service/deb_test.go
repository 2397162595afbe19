package service_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// debianPackage builds the package, once.
var debianPackage = sync.OnceValues(func() (string, error) { return makePackage(filepath.Join(work, "deb")) })

func makePackage(dir string) (string, error) {
	path, err := program()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("scripts/deb.sh", dir, version)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "VRFREDIST_PROGRAM="+path, "SOURCE_DATE_EPOCH=1790000000", "VRFREDIST_DEB_COMPRESSION=none")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("scripts/deb.sh: %w: %s", err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}

// packaged returns the package's path.
func packaged(t *testing.T) string {
	t.Helper()
	path, err := debianPackage()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// system is a root directory in which packages are installed, and nothing else
// is. Scripts of packages run outside of it and know it as DPKG_ROOT.
type system struct {
	t   *testing.T
	dir string
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t, t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc", "var/log"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"var/lib/dpkg/status": "", "var/lib/dpkg/available": "",
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n",
	} {
		s.write(name, text)
	}
	return s
}

func (s *system) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// dpkg runs it. What the package depends on is on this host, not in there.
func (s *system) dpkg(words ...string) {
	s.t.Helper()
	must(s.t, append([]string{"dpkg", "--root=" + s.dir, "--force-script-chrootless", "--force-depends"}, words...)...)
}

// files are all but dpkg's own and the accounts, each with mode and group.
func (s *system) files() []string {
	s.t.Helper()
	var out []string
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, s.dir+"/")
		if name == "var/lib/dpkg" || name == "var/log" {
			return fs.SkipDir
		}
		if e.IsDir() || strings.HasPrefix(name, "etc/passwd") || strings.HasPrefix(name, "etc/group") ||
			strings.HasPrefix(name, "etc/shadow") || strings.HasPrefix(name, "etc/gshadow") || name == "etc/.pwd.lock" {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode := fmt.Sprintf("%04o", info.Mode().Perm())
		if e.Type() == fs.ModeSymlink {
			mode = "link" // whose own mode says nothing
		}
		out = append(out, fmt.Sprintf("%s %s /%s", mode, s.group(info), name))
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// group is the name of a file's group in there.
func (s *system) group(info fs.FileInfo) string {
	gid := fmt.Sprint(info.Sys().(*syscall.Stat_t).Gid)
	for line := range strings.Lines(s.read("etc/group")) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == gid {
			return f[0]
		}
	}
	return gid
}

func (s *system) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// TestPackage installs the package, changes its configuration, installs another
// version over it, removes it and purges it.
func TestPackage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: dpkg gives files to their owners")
	}
	lab.Need(t, "dpkg", "dpkg-deb", "systemd-sysusers")
	deb := packaged(t)
	if got := strings.TrimSpace(must(t, "dpkg-deb", "--field", deb, "Version")); got != version {
		t.Errorf("the package has the version %q, want %q", got, version)
	}
	s := newSystem(t)
	s.dpkg("--install", deb)

	const conffile = "etc/vrfredist/vrfredist.toml"
	installed := s.files()
	for _, want := range []string{
		"0755 root /usr/bin/vrfredist",
		"0640 vrfredist /" + conffile,
		"0644 root /etc/default/vrfredist",
		"0644 root /etc/iproute2/rt_protos.d/vrfredist.conf",
		"0644 root /usr/lib/systemd/system/vrfredist.service",
		"0644 root /usr/lib/sysusers.d/vrfredist.conf",
		"0644 root /usr/share/vrfredist/netns.conf",
		"0644 root /usr/share/vrfredist/router-advertisements.conf",
		"0644 root /usr/share/man/man1/vrfredist.1.gz",
		"0644 root /usr/share/man/man1/vrfredist-doctor.1.gz",
		"0644 root /usr/share/man/man5/vrfredist.conf.5.gz",
		"0644 root /usr/share/bash-completion/completions/vrfredist",
		"0644 root /usr/share/zsh/vendor-completions/_vrfredist",
		"0644 root /usr/share/fish/vendor_completions.d/vrfredist.fish",
		"0644 root /usr/share/doc/vrfredist/copyright",
		"0644 root /usr/share/doc/vrfredist/examples/reference/vrfredist.toml",
	} {
		if !slices.Contains(installed, want) {
			t.Errorf("not installed: %s", want)
		}
	}
	for _, f := range installed {
		if mode, _, _ := strings.Cut(f, " "); mode != "link" && (f[0] != '0' || strings.ContainsRune("2367", rune(f[3]))) {
			t.Errorf("installed for everybody to write: %s", f)
		}
	}
	if info, err := os.Stat(filepath.Join(s.dir, "etc/vrfredist")); err != nil || info.Mode().Perm() != 0o750 || s.group(info) != "vrfredist" {
		t.Errorf("/etc/vrfredist: %v, %v", info, err)
	}
	if !strings.Contains(s.read("etc/passwd"), "\nvrfredist:x:") {
		t.Errorf("no user was made:\n%s", s.read("etc/passwd"))
	}
	inside := filepath.Join(s.dir, "usr/bin/vrfredist")
	if out := must(t, inside, "version"); !strings.HasPrefix(out, "vrfredist "+version+"\n") {
		t.Errorf("the program in it says %q", out)
	}
	must(t, inside, "check", "-f", filepath.Join(s.dir, conffile))

	changed := s.read(conffile) + "# mine\n"
	s.write(conffile, changed)
	s.dpkg("--force-confold", "--install", deb)
	s.dpkg("--remove", "vrfredist")
	if s.read(conffile) != changed {
		t.Error("the configuration that was changed did not outlive an upgrade and a removal")
	}
	kept := []string{"0640 vrfredist /" + conffile, "0644 root /etc/default/vrfredist", "0644 root /etc/iproute2/rt_protos.d/vrfredist.conf"}
	if left := s.files(); !slices.Equal(left, slices.Sorted(slices.Values(kept))) {
		t.Errorf("after the removal there are:\n%s", strings.Join(left, "\n"))
	}

	must(t, "install", "-D", "-m", "0644", "-t", s.dir+"/etc/systemd/system/vrfredist.service.d", systemdDir+"/netns.conf", systemdDir+"/router-advertisements.conf")
	must(t, "install", "-D", "/dev/null", s.dir+"/var/lib/vrfredist/redistribution.json")
	s.dpkg("--purge", "vrfredist")
	if left := s.files(); len(left) > 0 {
		t.Errorf("after the purge there are:\n%s", strings.Join(left, "\n"))
	}
	for _, dir := range []string{"etc/vrfredist", "var/lib/vrfredist", "etc/systemd/system/vrfredist.service.d", "usr/share/vrfredist"} {
		if _, err := os.Stat(filepath.Join(s.dir, dir)); !os.IsNotExist(err) {
			t.Errorf("after the purge there is /%s (%v)", dir, err)
		}
	}
	if strings.Contains(s.read("etc/passwd")+s.read("etc/group"), "vrfredist") {
		t.Error("after the purge there is a user or a group")
	}
}

// TestPackageIsReproducible builds it again.
func TestPackageIsReproducible(t *testing.T) {
	lab.Need(t, "dpkg-deb")
	first := packaged(t)
	second, err := makePackage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(second); err != nil || !bytes.Equal(a, b) {
		t.Errorf("two packages of one tree differ: %d and %d bytes (%v)", len(a), len(b), err)
	}
}

// TestPackageIsLinted: Debian's checker finds nothing but what is named, with its
// reason, in contrib/debian/lintian-overrides, and nothing is named in vain.
func TestPackageIsLinted(t *testing.T) {
	lab.Need(t, "lintian")
	// Packages that are made for a test are not compressed.
	const ours = "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball"
	out, err := exec.Command("lintian", "--allow-root", "--display-info", "--suppress-tags", ours, "--fail-on", "error,warning", packaged(t)).CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v: %s", err, out)
	}
	for _, vain := range []string{"mismatched-override", "unused-override", "malformed-override"} {
		if strings.Contains(string(out), vain) {
			t.Errorf("an override overrides nothing: %s", out)
		}
	}
}

// TestManualReads has the pages read by what shows them, where that is here.
func TestManualReads(t *testing.T) {
	lab.Need(t, "dpkg-deb", "groff", "gzip")
	dir := t.TempDir()
	must(t, "dpkg-deb", "--extract", packaged(t), dir)
	pages, err := filepath.Glob(filepath.Join(dir, "usr/share/man/man?/*.gz"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages (%v)", len(pages), err)
	}
	for _, page := range pages {
		out := must(t, "sh", "-c", `zcat "$0" | groff -man -Tutf8 -ww 2>&1 >/dev/null`, page)
		if out != "" {
			t.Errorf("%s: %s", filepath.Base(page), out)
		}
	}
}

// TestCompletionsLoad has a shell read what it will read.
func TestCompletionsLoad(t *testing.T) {
	lab.Need(t, "dpkg-deb", "bash")
	dir := t.TempDir()
	must(t, "dpkg-deb", "--extract", packaged(t), dir)
	out := must(t, "bash", "-ec", `. "$0"; complete -p vrfredist`, filepath.Join(dir, "usr/share/bash-completion/completions/vrfredist"))
	if !strings.Contains(out, "__start_vrfredist") {
		t.Errorf("bash completes by %q", out)
	}
}

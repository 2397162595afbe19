package service_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// tree is a repository of its own, with what names its version.
type tree struct {
	*testing.T
	dir string
}

func (r tree) git(words ...string) {
	r.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"}, words...)...)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("git %q: %v: %s", words, err, out)
	}
}

// is asserts the version; REVISION in it stands for the commit's.
func (r tree) is(what, want string) {
	r.Helper()
	revision := exec.Command("git", "rev-parse", "--short=12", "HEAD")
	revision.Dir = r.dir
	head, err := revision.Output()
	if err != nil {
		r.Fatal(err)
	}
	want = strings.ReplaceAll(want, "REVISION", strings.TrimSpace(string(head)))
	if got := strings.TrimSpace(must(r.T, filepath.Join(r.dir, "scripts/version.sh"))); got != want {
		r.Errorf("%s: the version is %s, want %s", what, got, want)
	}
}

// TestVersionOfATree: tags and commits since then make a version that Debian and RPM order as they
// should be.
func TestVersionOfATree(t *testing.T) {
	lab.Need(t, "git", "dpkg")
	r := tree{t, t.TempDir()}
	must(t, "install", "-D", "../../scripts/version.sh", filepath.Join(r.dir, "scripts/version.sh"))
	if got := must(t, filepath.Join(r.dir, "scripts/version.sh")); got != "0.0.0\n" {
		t.Errorf("of a tree that is no repository the version is %q", got)
	}
	r.git("init", "-q")
	r.git("add", ".")
	r.git("commit", "-qm", "one")
	r.is("before the first tag", "0.0.0+1.gREVISION")
	r.git("tag", "v1.2.0-rc1")
	r.is("a candidate", "1.2.0~rc1")
	r.git("tag", "-d", "v1.2.0-rc1")
	r.git("tag", "v1.2.0")
	r.is("a tag", "1.2.0")
	r.git("commit", "-q", "--allow-empty", "-m", "two")
	r.is("after a tag", "1.2.0+1.gREVISION")
	if err := os.WriteFile(filepath.Join(r.dir, "scripts/version.sh"), append(read(t, filepath.Join(r.dir, "scripts/version.sh")), "# changed\n"...), 0o755); err != nil {
		t.Fatal(err)
	}
	r.is("what is in no commit", "1.2.0+1.gREVISION.dirty")
	for _, order := range [][2]string{{"0.0.0+1.g0", "1.2.0~rc1"}, {"1.2.0~rc1", "1.2.0"}, {"1.2.0", "1.2.0+1.g0"}, {"1.2.0+9.g0", "1.2.1"}} {
		must(t, "dpkg", "--compare-versions", order[0], "lt", order[1])
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Package upgrade_test starts this program on what an earlier build left, and that earlier build on
// what this one left: the routes in the kernel, the state directory, the configuration.
package upgrade_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary. Its program is a symbolic link, by which a lab has now
// the one and now the other.
var run = &lab.Run{Protocol: 179}

// work is where the programs are.
var work string

// plain is a revision before labels, SIDs and endpoints, and before state files for those. The first one
// with them is that which brought the file sids.
const (
	plain = "b1bc014"
	sids  = "config/srv6.go"
)

func TestMain(m *testing.M) {
	lab.Exit("integration/upgrade", func() (code int, err error) {
		if err := lab.Waiting(); err != nil {
			return 0, err
		}
		if work, err = os.MkdirTemp("", "vrup"); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
		if err := os.Chmod(work, 0o755); err != nil {
			return 0, err
		}
		code = m.Run()
		if run.Daemon != "" {
			err = run.Judge()
		}
		return code, err
	})
}

// newer builds this program, once.
var newer = sync.OnceValues(func() (string, error) {
	r := lab.Run{}
	err := r.Build(work)
	return r.Daemon, err
})

// older builds an earlier program, once for as long as the cache is kept.
func older(earlier string) (string, error) {
	cache, err := filepath.Abs("../../.cache/upgrade")
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "vrfredist-"+earlier)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	sources := filepath.Join(work, "sources-"+earlier)
	script := `mkdir -p "$0" "$1" && git archive --format=tar "$2^{commit}" | tar -x -C "$0" && cd "$0" &&
go build -pgo=off -buildvcs=false -trimpath -ldflags "-s -w" -o "$3.new" ./cmd/vrfredist && mv "$3.new" "$3"`
	cmd := exec.Command("sh", "-ec", script, sources, cache, earlier, program)
	cmd.Dir = "../.." // git takes the part that it is called in
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build revision %s: %w: %s", earlier, err, out)
	}
	return program, nil
}

// brought is the revision with which a file came.
func brought(t *testing.T, file string) string {
	t.Helper()
	lab.Need(t, "git")
	cmd := exec.Command("git", "log", "--diff-filter=A", "--format=%h", "--", file)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("left out: this checkout has no history: %v", err)
	}
	list := strings.Fields(string(out))
	if len(list) == 0 {
		t.Fatalf("no revision has brought %s: name a file that came with what is tested", file)
	}
	return list[len(list)-1]
}

// programs returns the program of an earlier revision, and this one. A checkout without history has no earlier one.
func programs(t *testing.T, earlier string) (before, now string) {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, "ip", "git", "tar", "bird", "birdc")
	if shallow, err := exec.Command("git", "rev-parse", "--is-shallow-repository").Output(); err == nil && strings.TrimSpace(string(shallow)) == "true" {
		t.Skip("left out: this checkout has no history; git fetch --unshallow brings it")
	}
	if err := exec.Command("git", "cat-file", "-e", earlier+"^{commit}").Run(); err != nil {
		t.Skipf("left out: this checkout has no revision %s (%v)", earlier, err)
	}
	before, err := older(earlier)
	if err != nil {
		t.Fatal(err)
	}
	if now, err = newer(); err != nil {
		t.Fatal(err)
	}
	run.Daemon = filepath.Join(work, "link", "vrfredist")
	return before, now
}

// use has the lab start this program from now on.
func use(t testing.TB, program string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(run.Daemon), 0o755), os.RemoveAll(run.Daemon), os.Symlink(program, run.Daemon)); err != nil {
		t.Fatal(err)
	}
}

package service_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestProgramIsStatic: it needs no library of the host, and knows its version.
func TestProgramIsStatic(t *testing.T) {
	path := shipped(t)
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is linked dynamically: it has %v", p.Type)
		}
	}
	if out := must(t, path, "version"); !strings.HasPrefix(out, "vrfredist "+version+"\n") {
		t.Errorf("version prints %q", out)
	}
}

// TestBuildIsReproducible builds the tree in another directory, and there anew
// from the standard library on where VRFREDIST_TEST_REBUILD asks for that: it
// takes minutes.
func TestBuildIsReproducible(t *testing.T) {
	lab.Need(t, "git")
	want, err := os.ReadFile(shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "another directory", "below")
	copyTree(t, dir)
	if os.Getenv("VRFREDIST_TEST_REBUILD") != "" {
		t.Setenv("GOCACHE", filepath.Join(t.TempDir(), "cache"))
	}
	output := filepath.Join(dir, "out")
	if err := build(dir, output); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(output); err != nil || !bytes.Equal(got, want) {
		t.Errorf("built in %s, the program has %d bytes and differs from that of the repository, which has %d (%v)", dir, len(got), len(want), err)
	}
}

// copyTree copies what is, or is to be, in the repository.
func copyTree(t *testing.T, dir string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		from, to := filepath.Join("../..", name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, b, info.Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Package docs_test holds the documentation against the program: what it says of
// the API is what the .proto says, its links lead somewhere, and its guides do
// what they say on a real kernel. TestReference… with -update write what they
// hold; `make docs` runs them so.
package docs_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary.
var run = &lab.Run{Protocol: 179}

// build makes the program, once, and only where a guide is played.
var build = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "vrbin"); err != nil {
		return "", fmt.Errorf("make a directory for the program: %w", err)
	}
	return dir, run.Build(dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if run.Daemon != "" {
		dir, err := build()
		if err := errors.Join(err, os.RemoveAll(dir), run.Judge()); err != nil {
			fmt.Fprintln(os.Stderr, "integration/docs:", err)
			code = 1
		}
	}
	os.Exit(code)
}

var update = flag.Bool("update", false, "write what is generated")

// root is the module's, from here.
const root = "../.."

// pages returns every .md of the repository by its path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(name, ".") && path != root, d.IsDir() && (name == "bin" || name == "node_modules"):
			return filepath.SkipDir // what is built or installed, and no part of the repository
		case d.IsDir() || filepath.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		all[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("only %d pages were found", len(all))
	}
	return all
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

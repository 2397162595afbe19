package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The configurations of docs/MIGRATING.md are what `check` accepts, and what the
// page says that it prints is what it prints.
func TestMigratingPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/MIGRATING.md")
	if err != nil {
		t.Fatal(err)
	}
	files := regexp.MustCompile("(?ms)^```toml\n(.*?)^```").FindAllSubmatch(page, -1)
	said := regexp.MustCompile("(?ms)^```text\n(.*?)^```").FindSubmatch(page)
	if len(files) != 2 || said == nil {
		t.Fatalf("the page has %d configurations, want 2 and an output", len(files))
	}
	for i, f := range files {
		file := filepath.Join(t.TempDir(), "gobgpd.conf")
		if err := os.WriteFile(file, f[1], 0o600); err != nil {
			t.Fatal(err)
		}
		var out, bad bytes.Buffer
		if status := execute(t.Context(), []string{"check", "-f", file}, &out, &bad); status != statusDone {
			t.Errorf("configuration %d: status %d: %s", i, status, &bad)
		}
		got := strings.ReplaceAll(out.String(), file, "FILE")
		if want := string(said[1]); i == 0 && got != want {
			t.Errorf("check says\n%s\nand the page\n%s", got, want)
		}
		if i > 0 && strings.Contains(got, "note") {
			t.Errorf("configuration %d has notes:\n%s", i, got)
		}
	}
}

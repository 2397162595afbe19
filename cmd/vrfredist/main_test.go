package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestGoInstallHasTheSettingsOfMake asks the go command, in a module that is not
// ours, what it builds the program with.
func TestGoInstallHasTheSettingsOfMake(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := regexp.MustCompile(`(?m)^(module|godebug) .*$`).ReplaceAll(ours, nil)
	theirs = append([]byte("module example.org/other\n"), theirs...)
	theirs = append(theirs, "\nrequire github.com/vrfredist/vrfredist v0.0.0\nreplace github.com/vrfredist/vrfredist => "+root+"\n"...)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"go.mod": theirs, "go.sum": sums} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "list", "-mod=mod", "-f", "{{.DefaultGODEBUG}}", "github.com/vrfredist/vrfredist/cmd/vrfredist")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, out)
	}
	if !regexp.MustCompile(`\bmultipathtcp=0\b`).Match(out) {
		t.Errorf("a build outside this module has the settings %q: MD5 of passive sessions needs multipathtcp=0", out)
	}
}

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// TestWhatEndsTheDaemonIsNotLost: reloads that wait to be done keep no SIGTERM and
// no SIGINT out.
func TestWhatEndsTheDaemonIsNotLost(t *testing.T) {
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := heedSignals()
		for range 3 {
			kill(t, syscall.SIGHUP)
			waitFor(t, "the reload is due", func() bool { return len(s.reload) == 1 })
		}
		kill(t, end)
		select {
		case got := <-s.end:
			if got != end {
				t.Errorf("sent %v, got %v", end, got)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%v was lost", end)
		}
		s.letGo()
		<-s.reload
		kill(t, syscall.SIGHUP) // which would end this process
		waitFor(t, "a reload is asked for after the end", func() bool { return len(s.reload) == 1 })
		signal.Stop(s.reload)
	}
}

func kill(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

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

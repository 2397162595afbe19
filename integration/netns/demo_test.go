package netns_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// demo is `make demo` with the program under test, in a directory that anybody
// may read.
type demo struct {
	cmd *exec.Cmd
	out bytes.Buffer
	dir string
}

func newDemo(t *testing.T, as *syscall.SysProcAttr) *demo {
	t.Helper()
	newLab(t, "unshare", frr, "vtysh") // skips where these are not there
	d := &demo{dir: openDir(t)}
	for _, name := range []string{"scripts/demo.sh", "scripts/install-deps.sh", "examples/demo/vrfredist.toml", "examples/demo/west.toml", "examples/demo/upstream.conf"} {
		copyFile(t, filepath.Join("../..", name), filepath.Join(d.dir, name))
	}
	program := filepath.Join(d.dir, "vrfredist")
	copyFile(t, run.Daemon, program)
	d.cmd = exec.Command(filepath.Join(d.dir, "scripts/demo.sh"))
	d.cmd.Dir = d.dir
	d.cmd.Env = append(os.Environ(), "VRFREDIST="+program, "HOME="+d.dir)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.SysProcAttr = as
	t.Cleanup(func() { d.nothingLeft(t) })
	return d
}

// nothingLeft fails the test where a program of the demo still runs.
func (d *demo) nothingLeft(t *testing.T) {
	t.Helper()
	lab.WaitFor(t, "the demo's programs are gone", lab.Patience, func() string {
		links, err := filepath.Glob("/proc/[0-9]*/cwd")
		if err != nil {
			return err.Error()
		}
		for _, link := range links {
			// One that cannot be read is gone, or of a user whose programs
			// the demo did not start.
			if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, d.dir) {
				return link + " is in " + cwd
			}
		}
		return ""
	})
}

// The demo shows what it promises, as root and as a plain user.
func TestDemo(t *testing.T) {
	t.Parallel()
	users := map[string]*syscall.SysProcAttr{"as it is": {Setpgid: true}, "a plain user": nobody()}
	for name, as := range users {
		t.Run(name, func(t *testing.T) {
			if name == "a plain user" {
				needUserNamespaces(t)
			}
			d := newDemo(t, as)
			start := time.Now()
			if err := d.cmd.Run(); err != nil {
				t.Fatalf("the demo: %v\n%s", err, &d.out)
			}
			t.Logf("it took %v, with the race detector", time.Since(start).Round(time.Second))
			for _, want := range []string{
				"RD 65000:10", "RD 65000:20", "community 65001:100", "unresolved", "filtered",
				"via 192.168.1.254 dev lan0 proto 179", "via 192.168.1.253 dev lan0 proto 179", "== Done in",
			} {
				if !strings.Contains(d.out.String(), want) {
					t.Errorf("the demo does not show %q:\n%s", want, &d.out)
				}
			}
		})
	}
}

// Ctrl-C in the middle leaves nothing behind.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	d := newDemo(t, &syscall.SysProcAttr{Setpgid: true})
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.cmd.Wait() }()
	lab.WaitFor(t, "the demo's daemon runs", 2*lab.Patience, func() string {
		links, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			return err.Error()
		}
		for _, link := range links {
			if exe, err := os.Readlink(link); err == nil && exe == filepath.Join(d.dir, "vrfredist") {
				return ""
			}
		}
		return "no process of it"
	})
	if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 130 {
			t.Errorf("the interrupted demo: %v, want exit status 130\n%s", err, &d.out)
		}
	case <-time.After(lab.Patience):
		t.Errorf("the demo goes on after ctrl-C:\n%s", &d.out)
	}
}

// openDir is a directory that every user may enter; go's own are closed.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != filepath.Clean(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

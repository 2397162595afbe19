package kernel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// ownEnv has this test binary be another daemon that owns a table of a namespace.
const ownEnv = "VRFREDIST_TEST_OWN"

// TestAnotherDaemon is the other daemon: it owns until its standard input ends.
func TestAnotherDaemon(t *testing.T) {
	ns := os.Getenv(ownEnv)
	if ns == "" {
		t.Skip("only what anotherDaemon starts")
	}
	h := NewHost(quietLog)
	h.Identify("/etc/another.toml")
	c, err := h.Own(t.Context(), rib.Binding{Netns: ns, Table: table}, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("owned")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// anotherDaemon starts a process that owns the table of ns, in a process namespace
// of its own where unshared.
func anotherDaemon(t *testing.T, ns string, unshared bool) *exec.Cmd {
	t.Helper()
	argv := []string{os.Args[0], "-test.run=^TestAnotherDaemon$"}
	if unshared {
		argv = append([]string{"unshare", "-mpf", "--kill-child"}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), ownEnv+"="+ns)
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = cmd.Process.Kill() // it may be stopped
		}
		_, _ = in.Close(), cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "owned\n" {
		t.Fatalf("the other daemon does not own the table: %q, %v", line, err)
	}
	return cmd
}

// own opens b for writing, and gives the table up at the end.
func own(t *testing.T, h *Host, b rib.Binding) *Conn {
	t.Helper()
	c, err := h.Own(t.Context(), b, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		h.Disown(b)
	})
	return c
}

// TestATableHasOneDaemon: a second one is told whose it is, and has it when that one
// ends, however it does.
func TestATableHasOneDaemon(t *testing.T) {
	for name, end := range map[string]func(*exec.Cmd) error{
		"killed":            func(cmd *exec.Cmd) error { return cmd.Process.Kill() },
		"killed, unshared":  func(cmd *exec.Cmd) error { return cmd.Process.Kill() },
		"stopped, and ends": func(cmd *exec.Cmd) error { return cmd.Process.Signal(unix.SIGKILL) },
		"stopped, overrun":  func(cmd *exec.Cmd) error { return cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			ns := netns(t)
			unshared := strings.Contains(name, "unshared")
			first := anotherDaemon(t, ns, unshared)
			if strings.HasPrefix(name, "stopped") {
				if err := first.Process.Signal(unix.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			overrun := strings.Contains(name, "overrun")
			if overrun {
				asUser(t, ns, 12345, fillQueue)
			}
			h := startHost(t)
			b := rib.Binding{Netns: ns, Table: table}
			changed, stop, err := h.Await(b)
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			_, err = h.Own(t.Context(), b, rib.ProtoOwn)
			if !errors.Is(err, rib.ErrAbsent) {
				t.Fatalf("a table of another daemon: %v", err)
			}
			host, _ := os.Hostname()
			want := []string{"table 1001 in netns " + ns}
			if !strings.HasPrefix(name, "stopped") { // it says nothing
				want = append(want, "host "+host, "/etc/another.toml")
			}
			if !unshared && !overrun {
				want = append(want, fmt.Sprintf("pid %d", first.Process.Pid))
			}
			for _, part := range want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the reason lacks %q: %v", part, err)
				}
			}
			if r := h.Rivals(); len(r) != 1 || !r[0].Daemon {
				t.Errorf("the rivals are %v", r)
			}
			drainSignal(changed) // that the namespace is there
			if err := end(first); err != nil {
				t.Fatal(err)
			}
			signalled(t, changed, "the first daemon ended")
			if overrun { // that was the time to look again, perhaps
				waitUntil(t, "it is taken over", func() bool {
					c, err := h.Own(t.Context(), b, rib.ProtoOwn)
					return err == nil && c.Close() == nil
				})
			}
			own(t, h, b)
			if r := h.Rivals(); len(r) != 0 {
				t.Errorf("the rivals are %v still", r)
			}
		})
	}
}

// TestOthersAreNotOwned: another protocol, another table and another namespace are
// nobody's, and a look at a table takes no owner.
func TestOthersAreNotOwned(t *testing.T) {
	ns := netns(t)
	anotherDaemon(t, ns, false)
	h := startHost(t)
	open(t, h, rib.Binding{Netns: ns, Table: table})
	own(t, h, rib.Binding{Netns: ns, Table: table + 1})
	own(t, h, rib.Binding{Netns: netns(t), Table: table})
	c, err := h.Own(t.Context(), rib.Binding{Netns: ns, Table: table}, rib.ProtoOwn+1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	h.Disown(rib.Binding{Netns: ns, Table: table})
}

// owned tells whether somebody holds the name of a table, from outside of any Host.
func owned(t *testing.T, ns string, table uint32) bool {
	t.Helper()
	key := claimKey{table: table, protocol: rib.ProtoOwn}
	return strings.Contains(ip0(t, ns, "cat", "/proc/net/unix"), key.socket()+"\n")
}

func ip0(t *testing.T, ns string, argv ...string) string {
	t.Helper()
	return run(t, "ip", append([]string{"netns", "exec", ns}, argv...)...)
}

// TestATableStaysOurs over the failure of a worker, until it is given up, and not
// where its binding was gone: then nobody keeps it.
func TestATableStaysOurs(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	b := rib.Binding{Netns: ns, Table: table}
	for range 2 {
		c, err := h.Own(t.Context(), b, rib.ProtoOwn)
		if err != nil {
			t.Fatal(err)
		}
		// Two VRFs on one table are the workers' to refuse.
		other, err := h.Own(t.Context(), b, rib.ProtoOwn)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Conn{c, other} {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !owned(t, ns, table) {
			t.Fatal("a closed table is nobody's, though it was not given up")
		}
	}
	h.Disown(rib.Binding{Netns: ns})
	if !owned(t, ns, table) {
		t.Error("it went with another binding")
	}
	h.Disown(b)
	if owned(t, ns, table) {
		t.Error("it was given up, and is held")
	}

	c, err := h.Own(t.Context(), b, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	c.inbox.gone("for the test")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if owned(t, ns, table) {
		t.Error("its binding is gone, and it is held")
	}
}

// TestAMovedTableIsNotKept: a worker that failed held one, and the next one finds the
// device at another.
func TestAMovedTableIsNotKept(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	b := rib.Binding{Netns: ns, Table: table}
	c, err := h.Own(t.Context(), b, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// As a device is followed, which a kernel without VRF devices cannot show.
	moved, err := h.Open(t.Context(), rib.Binding{Netns: ns, Table: table + 1}, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	moved.binding = b
	if err := h.claims.take(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if owned(t, ns, table) || !owned(t, ns, table+1) {
		t.Error("the table of before is held still, or that of now is not")
	}
	if err := moved.Close(); err != nil {
		t.Fatal(err)
	}
	h.Disown(b)
}

// asUser runs f on a thread of its own as another user, inside ns.
func asUser(t *testing.T, ns string, uid int, f func() error) {
	t.Helper()
	space, err := openNamespace(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer space.close()
	done := make(chan error)
	var on func()
	on = func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread() // but the first one, which cannot end
			go on()
			return
		}
		err := unix.Setns(int(space.file.Fd()), unix.CLONE_NEWNET)
		if err == nil { // of this thread alone: the library's is of all
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				err = errno
			}
		}
		if err == nil {
			err = f()
		}
		done <- err
	}
	go on()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestAwaitEndsWithItsVigil: who waits for a daemon no longer keeps no connection.
func TestAwaitEndsWithItsVigil(t *testing.T) {
	ns := netns(t)
	anotherDaemon(t, ns, false)
	h := startHost(t)
	b := rib.Binding{Netns: ns, Table: table}
	_, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // each takes the place of the one before
		if _, err := h.Own(context.Background(), b, rib.ProtoOwn); !errors.Is(err, rib.ErrAbsent) {
			t.Fatal(err)
		}
	}
	stop()
	if r := h.Rivals(); len(r) != 0 {
		t.Errorf("the rivals are %v", r)
	}
}

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

package kernel

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// fillQueue connects to who has the name of the table until that takes no more.
func fillQueue() error {
	name := &unix.SockaddrUnix{Name: claimKey{table: table, protocol: rib.ProtoOwn}.socket()}
	for {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		err = unix.Connect(fd, name)
		if closing := unix.Close(fd); err == nil { // it stays in the queue
			err = closing
		}
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// TestAStrangerStopsNobody: another user's socket of the name is named, and not
// believed, whatever he does with it.
func TestAStrangerStopsNobody(t *testing.T) {
	for name, listens := range map[string]bool{"listens": true, "is bound alone": false, "listens, overrun": true} {
		t.Run(name, func(t *testing.T) {
			ns, overrun := netns(t), strings.Contains(name, "overrun")
			var fd int
			asUser(t, ns, 12345, func() (err error) {
				if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
					return err
				}
				key := claimKey{table: table, protocol: rib.ProtoOwn}
				if err = unix.Bind(fd, &unix.SockaddrUnix{Name: key.socket()}); err == nil && listens {
					err = unix.Listen(fd, 1)
				}
				if err == nil && overrun {
					err = fillQueue()
				}
				return err
			})
			var said strings.Builder
			h := NewHost(textLog(&said))
			b := rib.Binding{Netns: ns, Table: table}
			own(t, h, b)
			r := h.Rivals()
			if len(r) != 1 || r[0].Daemon || (listens && !overrun) != strings.Contains(r[0].Who, "uid 12345") {
				t.Errorf("the rivals are %+v", r)
			}
			if !strings.Contains(said.String(), "no vrfredist of ours") {
				t.Errorf("the log says %q", said.String())
			}
			if err := unix.Close(fd); err != nil {
				t.Fatal(err)
			}
			waitUntil(t, "the name is ours when the stranger goes", func() bool {
				return len(h.Rivals()) == 0 && owned(t, ns, table)
			})
		})
	}
}

// listenEnv has this test binary listen on a socket that it was given.
const listenEnv = "VRFREDIST_TEST_LISTEN"

// TestAnotherListens is that program: it listens until its standard input ends.
func TestAnotherListens(t *testing.T) {
	if os.Getenv(listenEnv) == "" {
		t.Skip("only what TestADaemonAfterAStranger starts")
	}
	if err := unix.Listen(3, 8); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestADaemonAfterAStranger: where a stranger had the name, and a second daemon took
// it when he went, it is ours when that one ends.
func TestADaemonAfterAStranger(t *testing.T) {
	ns := netns(t)
	space, err := openNamespace(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer space.close()
	h := startHost(t)
	fd := -1
	err = h.within(space, func() (err error) {
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: claimKey{table: table, protocol: rib.ProtoOwn}.socket()})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	socket := os.NewFile(uintptr(fd), "name")
	own(t, h, rib.Binding{Netns: ns, Table: table})
	if r := h.Rivals(); len(r) != 1 || r[0].Daemon {
		t.Fatalf("the rivals of a name that nobody listens on are %+v", r)
	}
	second := exec.Command(os.Args[0], "-test.run=^TestAnotherListens$")
	second.Env = append(os.Environ(), listenEnv+"=1")
	second.ExtraFiles = []*os.File{socket}
	second.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	in, err := second.StdinPipe()
	if err == nil {
		err = second.Start()
	}
	if err == nil {
		err = socket.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the second daemon is seen", func() bool {
		r := h.Rivals()
		return len(r) == 1 && r[0].Daemon
	})
	if err := errors.Join(in.Close(), second.Wait()); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the name is ours when the second daemon ends", func() bool {
		return len(h.Rivals()) == 0 && owned(t, ns, table)
	})
}

// TestAStrangerOutlivesUs: who serves beside a stranger ends as others do.
func TestAStrangerOutlivesUs(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	b := rib.Binding{Netns: ns, Table: table}
	var ln net.Listener
	asUser(t, ns, 12345, func() (err error) {
		ln, err = net.Listen("unix", claimKey{table: table, protocol: rib.ProtoOwn}.socket())
		return err
	})
	go func() { // and talks without an end
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				for err == nil {
					_, err = conn.Write(make([]byte, 4096))
				}
			}()
		}
	}()
	for range 2 {
		c, err := h.Own(t.Context(), b, rib.ProtoOwn)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	h.Disown(b)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	own(t, h, b)
}

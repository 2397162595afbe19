package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// oddities put something in the place of a file that has no end, or no reader.
var oddities = map[string]struct {
	put  func(path string) error
	says string
}{
	"a FIFO":             {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "is no plain file, but a FIFO"},
	"a link to a FIFO":   {func(p string) error { return joined(syscall.Mkfifo(p+".fifo", 0o600), os.Symlink(p+".fifo", p)) }, "is no plain file, but a FIFO"},
	"a link to a device": {func(p string) error { return os.Symlink("/dev/zero", p) }, "is no plain file, but a device"},
	"a directory":        {func(p string) error { return os.Mkdir(p, 0o700) }, "is no plain file, but a directory"},
	"a socket": {func(p string) error {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		return joined(err, syscall.Bind(fd, &syscall.SockaddrUnix{Name: p}), syscall.Close(fd))
	}, "is no plain file, but a socket"},
	"too much": {func(p string) error { return joined(os.WriteFile(p, nil, 0o600), os.Truncate(p, 1<<40)) }, "larger than"},
}

func joined(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestOnlyPlainFilesAreRead: what stands in the place of each file that a start
// reads is refused by name, and at once.
func TestOnlyPlainFilesAreRead(t *testing.T) {
	readers := map[string]struct {
		name string
		read func(dir string) error
	}{
		"the overlay":                  {overlayName, func(dir string) error { _, err := OpenOverlay(dir); return err }},
		"the unconfirmed":              {keptName, func(dir string) error { _, err := ReadKept(dir); return err }},
		"the configuration":            {"c.toml", func(dir string) error { _, err := Load(filepath.Join(dir, "c.toml"), fakeBGP()); return err }},
		"the configuration, its bytes": {"c.toml", func(dir string) error { _, err := ReadFile(filepath.Join(dir, "c.toml")); return err }},
	}
	for who, r := range readers {
		for what, odd := range oddities {
			t.Run(who+" is "+what, func(t *testing.T) {
				t.Parallel()
				dir, err := os.MkdirTemp("/tmp", "readfile") // short enough for a socket's name
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = os.RemoveAll(dir) })
				if err := odd.put(filepath.Join(dir, r.name)); err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- r.read(dir) }()
				select {
				case err = <-done:
				case <-time.After(time.Minute):
					t.Fatal("it is read without an end")
				}
				if err == nil || !strings.Contains(err.Error(), odd.says) || !strings.Contains(err.Error(), r.name) {
					t.Errorf("the error is %v, and is to name the file and say %q", err, odd.says)
				}
			})
		}
	}
}

// TestAPipeWithoutANameIsRead: `check -f <(…)` goes on working.
func TestAPipeWithoutANameIsRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	written := make(chan error, 1)
	go func() {
		_, err := w.WriteString(forkBase)
		written <- joined(err, w.Close())
	}()
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(r.Fd())))
	c, err := Load(path, fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil || string(c.Text) != forkBase {
		t.Errorf("it is read as %q (%v)", c.Text, err)
	}
}

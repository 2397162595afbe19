package speaker

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSocketIsBornNarrow: the mode is right before anything is done to the
// socket, whatever the umask of whoever started the daemon.
func TestSocketIsBornNarrow(t *testing.T) {
	before := unix.Umask(0)
	defer unix.Umask(before)
	path := filepath.Join(t.TempDir(), "api.sock")
	group := os.Getgid()
	s, err := openSockets([]string{"unix://" + path}, &group)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	narrow := narrowUmask()
	for hidden := range s.public {
		l, err := net.Listen("unix", hidden)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if info, err := os.Stat(hidden); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("the socket was born with %v, %v", info.Mode(), err)
		}
	}
	narrow.restore()
	if now := unix.Umask(0); now != 0 {
		t.Errorf("the umask is %04o afterwards", now)
	}
	if err := s.publish(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has %v, %v", info.Mode(), err)
	}
}

// TestSocketOfAnotherModeIsRefused: as a default ACL makes it, for which the
// kernel leaves the umask aside.
func TestSocketOfAnotherModeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	s, err := openSockets([]string{"unix://" + path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for hidden := range s.public {
		l, err := net.Listen("unix", hidden)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := os.Chmod(hidden, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.publish(); err == nil {
		t.Error("a socket for everyone was published")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it has its name")
	}
}

// TestRunRestoresTheUmask: what the process makes later has the mode that it
// asks for.
func TestRunRestoresTheUmask(t *testing.T) {
	before := unix.Umask(0o022)
	defer unix.Umask(before)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, nil))})
	if now := unix.Umask(0o022); now != 0o022 {
		t.Errorf("the umask is %04o once the API is up", now)
	}
	if info, err := os.Stat(s.socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has %v, %v", info.Mode(), err)
	}
}

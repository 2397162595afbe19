package gobgp3

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSocketIsBornNarrow: nobody but its owner may open a socket before it has its
// group, whatever the umask of whoever started the daemon; and the umask stays.
func TestSocketIsBornNarrow(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		before := unix.Umask(umask)
		defer unix.Umask(before)
		path := filepath.Join(t.TempDir(), "api.sock")
		group := os.Getgid()
		s, err := openSockets([]string{"unix://" + path}, &group)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("umask %04o: the socket was born with %v, %v", umask, info.Mode(), err)
		}
		if err := s.publish(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("umask %04o: the socket has %v, %v", umask, info.Mode(), err)
		}
		if now := unix.Umask(umask); now != umask {
			t.Errorf("the umask is %04o afterwards, was %04o", now, umask)
		}
	}
}

// TestSocketGroup: a socket is its group's once it is published.
func TestSocketGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	path, group := filepath.Join(t.TempDir(), "api.sock"), 31998
	s, err := openSockets([]string{"unix://" + path}, &group)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.publish(); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil || stat.Gid != uint32(group) {
		t.Errorf("the socket is of group %d, %v", stat.Gid, err)
	}
}

// TestSocketWithAnACLIsRefused: as the default ACL of a directory gives it, which
// the mode would bring into force.
func TestSocketWithAnACLIsRefused(t *testing.T) {
	dir := t.TempDir()
	// POSIX_ACL_XATTR_VERSION, and entries of tag, permissions and id
	// (include/uapi/linux/posix_acl_xattr.h): the owner, user 4711, the group, the
	// mask, the others.
	acl := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 7, ^uint32(0)}, {2, 6, 4711}, {4, 5, ^uint32(0)}, {16, 7, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		acl = binary.LittleEndian.AppendUint16(acl, e.tag)
		acl = binary.LittleEndian.AppendUint16(acl, e.perm)
		acl = binary.LittleEndian.AppendUint32(acl, e.id)
	}
	if err := unix.Setxattr(dir, "system.posix_acl_default", acl, 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system has no ACLs")
	} else if err != nil {
		t.Fatal(err)
	}
	s, err := openSockets([]string{"unix://" + filepath.Join(dir, "api.sock")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.publish(); err == nil || !strings.Contains(err.Error(), "setfacl -k") {
		t.Errorf("a socket that user 4711 may open was published: %v", err)
	}
}

// TestATakenPortIsAnError, and ends no process.
func TestATakenPortIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := filepath.Join(t.TempDir(), "api.sock")
	s, err := New(Options{Config: toJSON(t, baseConf(nil, nil)), Listen: []string{"unix://" + path, l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "end what listens there") {
		t.Errorf("Run: %v", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the other socket is left")
	}
}

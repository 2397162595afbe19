package api

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

	linux "golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/api/access"
)

// peerOf asks the kernel who connected to a unix socket (SO_PEERCRED): the credentials
// are those that the process had then.
func peerOf(conn *net.UnixConn) (c access.Caller, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return c, fmt.Errorf("find out who connected: %w", err)
	}
	var cred *linux.Ucred
	var groups []uint32
	asked := raw.Control(func(fd uintptr) {
		if cred, err = linux.GetsockoptUcred(int(fd), linux.SOL_SOCKET, linux.SO_PEERCRED); err != nil {
			return
		}
		groups, err = peerGroups(fd)
	})
	if err := errors.Join(asked, err); err != nil {
		return c, fmt.Errorf("find out who connected: %w", err)
	}
	return access.Caller{
		Way: access.Socket, UID: cred.Uid, Owner: own(cred.Uid),
		GIDs: append([]uint32{cred.Gid}, groups...), PID: cred.Pid,
	}, nil
}

// peerGroups reads SO_PEERGROUPS, which x/sys has no function for. It answers
// ERANGE and the size where the buffer is too small (net/core/sock.c,
// sk_getsockopt).
func peerGroups(fd uintptr) ([]uint32, error) {
	groups := make([]uint32, 64)
	for {
		size := uint32(4 * len(groups))
		_, _, errno := linux.Syscall6(linux.SYS_GETSOCKOPT, fd, linux.SOL_SOCKET, linux.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno == linux.ERANGE && int(size/4) > len(groups):
			groups = make([]uint32, size/4)
		default:
			return nil, fmt.Errorf("SO_PEERGROUPS: %w", errno)
		}
	}
}

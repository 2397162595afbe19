package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// SessionEnded returns a function that waits until an IPv4 segment that ends a TCP connection, to or from a
// port, comes in at an interface of the namespace, and returns when the kernel had it. Where none
// does within limit, that is an error.
func SessionEnded(enter func(func() error) error, index int, port uint16, limit time.Duration) (wait func() (time.Time, error), err error) {
	fd := -1
	err = enter(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // of no protocol: it takes nothing before it is bound
		if err != nil {
			return err
		}
		timeout := unix.NsecToTimeval(limit.Nanoseconds())
		err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_IP), Ifindex: index}))
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listen to segments: %w", err)
	}
	return func() (time.Time, error) {
		at, err := awaitEnd(fd, port)
		if err = errors.Join(err, unix.Close(fd)); err != nil {
			return at, fmt.Errorf("wait until a session ends at interface %d: %w", index, err)
		}
		return at, nil
	}, nil
}

func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

func awaitEnd(fd int, port uint16) (time.Time, error) {
	packet, control := make([]byte, 1<<16), make([]byte, 128)
	for {
		n, c, _, from, err := unix.Recvmsg(fd, packet, control, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return time.Time{}, err
		}
		link, is := from.(*unix.SockaddrLinklayer)
		if !is || link.Pkttype == unix.PACKET_OUTGOING || !ends(packet[:n], port) {
			continue
		}
		return stamped(control[:c])
	}
}

// ends tells whether a packet is a segment with FIN or RST, to or from the port.
func ends(packet []byte, port uint16) bool {
	if len(packet) < 20 || packet[9] != unix.IPPROTO_TCP {
		return false
	}
	segment := packet[min(len(packet), int(packet[0]&0xf)*4):]
	return len(segment) >= 20 && segment[13]&(1|4) != 0 &&
		(binary.BigEndian.Uint16(segment) == port || binary.BigEndian.Uint16(segment[2:]) == port)
}

// stamped is when the kernel had what came with these control messages.
func stamped(control []byte) (time.Time, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:]))), nil
		}
	}
	return time.Time{}, errors.New("the kernel gave a segment no time")
}

package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Tap notes which packets of a Flow pass an interface one way. It sees those that come in
// before the kernel asks whether it has a use for them, and those that go out when they
// are handed to the device.
type Tap struct {
	file *os.File
	done chan struct{}

	mu   sync.Mutex
	seen []bool // guarded by mu; by number
}

// Way is the way of packets past a Tap: the types of packets of linux/if_packet.h.
type Way uint32

// The ways.
const (
	In  Way = unix.PACKET_HOST
	Out Way = unix.PACKET_OUTGOING
)

// Listen starts to note. Close ends it.
func Listen(enter Enter, device string, way Way) (*Tap, error) {
	t := &Tap{done: make(chan struct{})}
	err := enter(func() error {
		link, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		// Protocol 0 takes nothing in before the filter is there. Packets that go out are
		// for sockets of all protocols alone.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
			unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program(way)),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: link.Index}))
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		t.file = os.NewFile(uintptr(fd), "packets of "+device)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", device, err)
	}
	go t.read()
	return t, nil
}

func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// headers are those of IPv4, without options, and of UDP.
const headers = 20 + 8

// program is a filter that lets a flow's packets through: IPv4 UDP to its port, one way.
func program(way Way) *unix.SockFprog {
	const packetType = 0xfffff000 + 4 // SKF_AD_OFF + SKF_AD_PKTTYPE (linux/filter.h)
	load := func(size uint16, at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | size | unix.BPF_ABS, K: at}
	}
	var code []unix.SockFilter
	checks := []struct {
		load unix.SockFilter
		want uint32
	}{
		{load(unix.BPF_W, packetType), uint32(way)},
		{load(unix.BPF_B, 0), 0x45}, // IPv4, no options
		{load(unix.BPF_B, 9), unix.IPPROTO_UDP},
		{load(unix.BPF_H, 22), port},
	}
	for i, c := range checks {
		code = append(code, c.load, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c.want, Jf: uint8(2*(len(checks)-i) - 1)})
	}
	code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16}, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K})
	return &unix.SockFprog{Len: uint16(len(code)), Filter: unsafe.SliceData(code)}
}

func (t *Tap) read() {
	defer close(t.done)
	buf := make([]byte, 2048)
	for {
		n, err := t.file.Read(buf)
		// ENETDOWN says that the interface went down; what passes when it is up again is
		// still to come.
		if err != nil && !errors.Is(err, unix.ENETDOWN) {
			return
		}
		if err == nil {
			t.take(buf[:n])
		}
	}
}

func (t *Tap) take(packet []byte) {
	if len(packet) < headers+8 {
		return
	}
	number := binary.BigEndian.Uint64(packet[headers:])
	const most = 1 << 30
	if number >= most {
		return // nobody here sends so many
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for uint64(len(t.seen)) <= number {
		t.seen = append(t.seen, make([]bool, 1024)...)
	}
	t.seen[number] = true
}

// Has tells whether a packet has passed.
func (t *Tap) Has(number int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return number < len(t.seen) && t.seen[number]
}

// Close ends the notes, which stay readable. Packets that the tap itself lost are an
// error: who counts would count them as lost on their way.
func (t *Tap) Close() error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("end a tap: %w", err)
	}
	var lost uint32
	var asked error
	err = raw.Control(func(fd uintptr) {
		var s *unix.TpacketStats
		if s, asked = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); asked == nil {
			lost = s.Drops
		}
	})
	err = errors.Join(err, asked, t.file.SetReadDeadline(time.Now()))
	<-t.done
	err = errors.Join(err, t.file.Close())
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("a tap lost %d packets", lost))
	}
	return err
}

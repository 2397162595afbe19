package lab

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
)

// Segment is a TCP segment that arrived in a namespace.
type Segment struct {
	Source           netip.Addr
	FromPort, ToPort uint16
	TTL              int
	SYN              bool
}

// Segments reads the IPv4 TCP segments that arrive in a namespace.
type Segments struct {
	lab  *Lab
	file *os.File
	done chan struct{}

	mu   sync.Mutex
	seen []Segment // guarded by mu
}

func (s *Segments) read() {
	defer close(s.done)
	buf := make([]byte, 1<<16)
	for {
		size, err := s.file.Read(buf)
		if err != nil {
			return // closed
		}
		head := min(int(buf[0]&15)*4, size)
		tcp := buf[head:size]
		if head < 20 || len(tcp) < 20 {
			continue
		}
		src, _ := netip.AddrFromSlice(buf[12:16])
		s.mu.Lock()
		s.seen = append(s.seen, Segment{
			Source: src, TTL: int(buf[8]), SYN: tcp[13]&2 != 0,
			FromPort: binary.BigEndian.Uint16(tcp), ToPort: binary.BigEndian.Uint16(tcp[2:]),
		})
		s.mu.Unlock()
	}
}

// Seen returns what arrived so far, oldest first.
func (s *Segments) Seen() []Segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Segment(nil), s.seen...)
}

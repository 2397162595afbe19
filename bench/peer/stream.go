package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/vrfredist/vrfredist/bench/prefixes"
)

// Origin is how a neighbour announces a table of IPv4 prefixes over eBGP.
type Origin struct {
	AS      uint32
	Times   int // how often the AS stands in front of each path; once at least
	Nexthop netip.Addr
}

// WriteStream writes all UPDATEs that announce a table, and its End-of-RIB, as one session
// carries them whose sides have AS numbers of four bytes (RFC 6793). A file of them is a
// neighbour's whole table, which many sessions can send and none has to hold.
func WriteStream(w io.Writer, table []netip.Prefix, o Origin) error {
	out := bufio.NewWriterSize(w, 1<<20)
	for path, run := range prefixes.Runs(table) {
		as := make([]byte, 0, 4*(max(1, o.Times)+len(path)))
		for range max(1, o.Times) {
			as = binary.BigEndian.AppendUint32(as, o.AS)
		}
		for _, number := range path {
			as = binary.BigEndian.AppendUint32(as, number)
		}
		const sequence = 2 // AS_SEQUENCE
		attrs := []byte{0x40, attrOrigin, 1, 0, 0x40, attrASPath, byte(2 + len(as)), sequence, byte(len(as) / 4)}
		attrs = append(append(attrs, as...), 0x40, attrNexthop, 4)
		attrs = append(attrs, o.Nexthop.AsSlice()...)
		body := append(binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attrs))), attrs...)
		for _, p := range run {
			body = appendPrefix(body, p)
		}
		if _, err := out.Write(message(msgUpdate, body)); err != nil {
			return err
		}
	}
	if _, err := out.Write(message(msgUpdate, []byte{0, 0, 0, 0})); err != nil {
		return err
	}
	return out.Flush()
}

// Play has a peer send the messages of a stream. Each write is of whole messages, between
// which the session's keepalives may go.
func Play(p *Peer, stream io.Reader) error {
	in := bufio.NewReaderSize(stream, 1<<20)
	batch := make([]byte, 0, 1<<17)
	send := func() error {
		_, err := p.conn.Write(batch)
		batch = batch[:0]
		return err
	}
	for {
		header, err := in.Peek(headerSize)
		if errors.Is(err, io.EOF) && len(header) == 0 {
			return send()
		}
		if err != nil {
			return fmt.Errorf("read the next message of a stream: %w", err)
		}
		size := int(binary.BigEndian.Uint16(header[16:]))
		if size < headerSize {
			return fmt.Errorf("a message of a stream says that it has %d bytes", size)
		}
		if len(batch)+size > cap(batch) {
			if err := send(); err != nil {
				return err
			}
		}
		at := len(batch)
		batch = batch[:at+size]
		if _, err := io.ReadFull(in, batch[at:]); err != nil {
			return fmt.Errorf("read a message of a stream: %w", err)
		}
	}
}

package api

import (
	"encoding/binary"

	"golang.org/x/net/http2"
)

// frames follows the HTTP/2 frames (RFC 9113, section 4.1) of one direction of a
// connection. gRPC does not say when a stream has come to its end on the wire, nor
// for which stream it calls the tap; both stand in the frames' heads.
type frames struct {
	head [9]byte
	have int   // bytes of head
	now  frame // whose head came last
	skip int   // bytes until the next head
}

// frame is the head of a frame.
type frame struct {
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
	length int
}

// ends tells whether its sender sends nothing more on its stream.
func (f frame) ends() bool {
	switch f.kind {
	case http2.FrameData, http2.FrameHeaders:
		return f.flags.Has(http2.FlagDataEndStream)
	case http2.FrameRSTStream:
		return true
	}
	return false
}

// walk calls each with every head that b completes, and body with the bytes of b that are
// in the frame behind it.
func (w *frames) walk(b []byte, each func(frame), body func(frame, []byte)) {
	for len(b) > 0 {
		if w.skip > 0 {
			n := min(w.skip, len(b))
			w.skip -= n
			body(w.now, b[:n])
			b = b[n:]
			continue
		}
		n := copy(w.head[w.have:], b)
		w.have += n
		b = b[n:]
		if w.have < len(w.head) {
			return
		}
		w.have = 0
		w.skip = int(w.head[0])<<16 | int(w.head[1])<<8 | int(w.head[2])
		w.now = frame{
			kind: http2.FrameType(w.head[3]), flags: http2.Flags(w.head[4]), length: w.skip,
			stream: binary.BigEndian.Uint32(w.head[5:]) &^ (1 << 31),
		}
		each(w.now)
	}
}

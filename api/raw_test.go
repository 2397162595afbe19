package api

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// raw is a client that sends the frames that it likes.
type raw struct {
	t    *testing.T
	conn net.Conn
	*http2.Framer
	last uint32
	done map[uint32]map[string]string // the trailers of streams that have come to their end
}

// dialRaw connects, with an initial window of its streams for what we send.
func dialRaw(t *testing.T, address string, window uint32) *raw {
	t.Helper()
	network := "tcp"
	if path, unix := strings.CutPrefix(address, "unix://"); unix {
		network, address = "unix", path
	}
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patient)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	r := &raw{t: t, conn: conn, Framer: http2.NewFramer(conn, conn), last: ^uint32(0), done: make(map[uint32]map[string]string)}
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
	return r
}

func (r *raw) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// begin begins a call, and returns its stream.
func (r *raw) begin(method string) uint32 {
	r.t.Helper()
	id, err := r.tryBegin(method)
	r.must(err)
	return id
}

func (r *raw) tryBegin(method string) (uint32, error) {
	r.t.Helper()
	r.last += 2 // a client's are odd
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		r.must(enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
	}
	return r.last, r.WriteHeaders(http2.HeadersFrameParam{StreamID: r.last, BlockFragment: block.Bytes(), EndHeaders: true})
}

// head is that of a message of a size.
func head(size int) []byte { return binary.BigEndian.AppendUint32([]byte{0}, uint32(size)) }

// call makes a whole call.
func (r *raw) call(method string, request proto.Message) uint32 {
	r.t.Helper()
	body, err := proto.Marshal(request)
	r.must(err)
	id := r.begin(method)
	r.must(r.WriteData(id, true, append(head(len(body)), body...)))
	return id
}

// trailers reads until a stream has come to its end, and returns its status and
// message.
func (r *raw) trailers(id uint32) (status, message string) {
	r.t.Helper()
	for r.done[id] == nil {
		f, err := r.ReadFrame()
		r.must(err)
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				r.must(r.WriteSettingsAck())
			}
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				r.done[f.StreamID] = map[string]string{}
				for _, h := range f.Fields {
					r.done[f.StreamID][h.Name] = h.Value
				}
			}
		}
	}
	return r.done[id]["grpc-status"], r.done[id]["grpc-message"]
}

// ended reads until the connection is closed.
func (r *raw) ended() bool {
	r.t.Helper()
	for {
		if _, err := r.ReadFrame(); err != nil {
			return !strings.Contains(err.Error(), "timeout")
		}
	}
}

func settingWindow(n uint32) http2.Setting {
	return http2.Setting{ID: http2.SettingInitialWindowSize, Val: n}
}

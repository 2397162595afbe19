package faults_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// abuse is what users do.
type abuse struct {
	*tenancy
	until   chan struct{}
	running sync.WaitGroup

	toggled, let, refused atomic.Int64
}

func (a *abuse) over() bool {
	select {
	case <-a.until:
		return true
	default:
		return false
	}
}

// as connects with the credentials of a user. Linux has them by thread; this one ends
// with its goroutine, because it stays locked.
func (a *abuse) as(uid uintptr) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	out := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread()
		groups := [1]uint32{uint32(uid)}
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&groups[0]))},
			{unix.SYS_SETRESGID, uid, uid, uid},
			{unix.SYS_SETRESUID, uid, uid, uid},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				out <- dialled{nil, errno}
				return
			}
		}
		conn, err := net.Dial("unix", a.socket())
		out <- dialled{conn, err}
	}()
	d := <-out
	return d.conn, d.err
}

// dial makes a client of gRPC.
func (a *abuse) dial(uid uintptr) *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:///daemon", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return a.as(uid) }))
	if err != nil {
		a.T.Error(err)
	}
	a.T.Cleanup(func() { conn.Close() })
	return conn
}

// frames calls f with connections of a user, one after the other, as long as the row
// lasts; each is kept until the daemon closes it.
func (a *abuse) frames(uid uintptr, window uint32, f func(*http2.Framer, *credit)) {
	for !a.over() {
		conn, err := a.as(uid)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(contextOf(a.until), func() { conn.Close() })
		if _, err := conn.Write([]byte(http2.ClientPreface)); err == nil {
			fr := http2.NewFramer(conn, conn)
			if fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}) == nil {
				c := newCredit()
				go c.read(fr)
				f(fr, c)
				<-c.ended
			}
		}
		stop()
		conn.Close()
	}
}

func contextOf(done <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-done; cancel() }()
	return ctx
}

// credit is what a client may send of each stream.
type credit struct {
	mu    sync.Mutex
	all   int            // guarded by mu
	of    map[uint32]int // guarded by mu
	more  chan struct{}
	ended chan struct{}
}

func newCredit() *credit {
	return &credit{all: 65535, of: make(map[uint32]int), more: make(chan struct{}, 1), ended: make(chan struct{})}
}

// read heeds what the daemon says until the connection ends.
func (c *credit) read(fr *http2.Framer) {
	defer close(c.ended)
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		c.mu.Lock()
		switch f := f.(type) {
		case *http2.WindowUpdateFrame:
			if f.StreamID == 0 {
				c.all += int(f.Increment)
			} else {
				c.of[f.StreamID] += int(f.Increment)
			}
		case *http2.RSTStreamFrame:
			c.of[f.StreamID] = -1 << 30
		}
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
	}
}

// take returns how much of a stream may be sent now, at most n.
func (c *credit) take(id uint32, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.of[id]; !known {
		c.of[id] += 65535
	}
	n = max(0, min(n, c.all, c.of[id]))
	c.all -= n
	c.of[id] -= n
	return n
}

func headers(method string) []byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		_ = enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}) // to memory
	}
	return block.Bytes()
}

// half sends requests of a size but for their last byte, in pieces, and waits.
func (a *abuse) half(uid uintptr, streams int, method string, size, piece int) {
	a.frames(uid, 65535, func(fr *http2.Framer, c *credit) {
		left := make(map[uint32]int)
		for i := range streams {
			id := uint32(2*i + 1)
			if fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers(method), EndHeaders: true}) != nil ||
				c.take(id, 5) < 5 || fr.WriteData(id, false, binary.BigEndian.AppendUint32([]byte{0}, uint32(size))) != nil {
				return
			}
			left[id] = size - 1
		}
		for {
			for id := range left {
				for n := c.take(id, min(piece, left[id])); n > 0; n = c.take(id, min(piece, left[id])) {
					if fr.WriteData(id, false, make([]byte, n)) != nil {
						return
					}
					left[id] -= n
				}
			}
			select {
			case <-c.more:
			case <-c.ended:
				return
			}
		}
	})
}

// unread makes calls and takes nothing of their answers.
func (a *abuse) unread(uid uintptr, streams int, method string, request proto.Message) {
	body, err := proto.Marshal(request)
	if err != nil {
		a.T.Error(err)
		return
	}
	message := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	a.frames(uid, 1<<30, func(fr *http2.Framer, _ *credit) { // it takes what the connection's window lets through
		for i := range streams {
			id := uint32(2*i + 1)
			if fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers(method), EndHeaders: true}) != nil ||
				fr.WriteData(id, true, message) != nil {
				return
			}
		}
	})
}

// toggle makes changes, many at once.
func (a *abuse) toggle(uid uintptr, calls, changes int) {
	client := vrfredistv1.NewRedistributionClient(a.dial(uid))
	var left atomic.Int64
	left.Store(int64(changes))
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				ctx, cancel := context.WithTimeout(context.Background(), limit())
				var err error
				if i%2 == 0 {
					_, err = client.DisableRedistribution(ctx, &vrfredistv1.DisableRedistributionRequest{Vrf: "tenant-0", Direction: vrfredistv1.Direction_DIRECTION_EXPORT})
				} else {
					_, err = client.EnableRedistribution(ctx, &vrfredistv1.EnableRedistributionRequest{Vrf: "tenant-0"})
				}
				cancel()
				a.toggled.Add(1)
				if err == nil {
					a.let.Add(1)
				} else {
					a.refused.Add(1)
				}
			}
		})
	}
	all.Wait()
}

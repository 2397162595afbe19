package faults_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The users of the row: nobody's, the operators of tenant-0 and tenant-1, and one who
// may read.
const (
	stranger = 31990 + iota
	operator0
	other0
	operator1
	reader
)

const abuseRoles = `
[[netlink.api.roles]]
  role = "vrf:tenant-0"
  users = [31991, 31992]
[[netlink.api.roles]]
  role = "vrf:tenant-1"
  users = [31993]
[[netlink.api.roles]]
  role = "read"
  users = [31994]
`

// Users of the host do to the API what they like: those without a role, and those
// with one. It costs the daemon what its limits say; root, another tenant and the
// service manager notice nothing.
func TestFault50Abuse(t *testing.T) {
	n := min(routes, 20_000)
	y := newTenancy(t, 2)
	y.letIn()
	dog := y.watchdog()
	y.daemon = y.rtr.DaemonAs([]string{"env", "NOTIFY_SOCKET=" + dog.path, "WATCHDOG_USEC=3000000"}, y.config()+abuseRoles)
	y.bird.Reconfigure(vpnConfig(vpnRoutes("t0", "65100:1", 0, prefixes4(n)...)))
	oracle.New(t, y.tenants[0].ns, run.Protocol).Wait(lab.Main, by(prefixes4(n), leg1), limit())
	if err := os.Chmod(y.socket(), 0o666); err != nil { // the roles are what is tried here
		t.Fatal(err)
	}
	before := y.resident()
	a := &abuse{tenancy: y, until: make(chan struct{})}
	list := &vrfredistv1.ListRoutesRequest{Vrf: "tenant-0", Direction: vrfredistv1.Direction_DIRECTION_EXPORT}
	for range 40 {
		a.running.Go(func() { a.half(stranger, 100, "/apipb.GobgpApi/AddPathStream", 4<<20, 16<<10) })
		a.running.Go(func() { a.half(operator0, 64, vrfredistv1.Redistribution_GetVrf_FullMethodName, 4<<20, 16<<10) })
		a.running.Go(func() { a.half(operator0, 64, vrfredistv1.Redistribution_GetVrf_FullMethodName, 60<<10, 16<<10) })
		a.running.Go(func() { a.half(operator0, 4, vrfredistv1.Redistribution_GetVrf_FullMethodName, 60<<10, 1) })
		a.running.Go(func() { a.unread(reader, 64, vrfredistv1.Redistribution_ListRoutes_FullMethodName, list) })
		a.running.Go(func() { a.half(reader, 0, "", 0, 0) }) // idle
	}
	const changes, clients, calls = 6000, 24, 64
	for range clients {
		a.running.Go(func() { a.toggle(other0, calls, changes/clients) })
	}
	client := vrfredistv1.NewRedistributionClient(a.dial(operator1))
	var slowest, rootSlowest time.Duration
	peak, tries := 0, 0
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end) || a.toggled.Load() < changes; tries++ {
		if time.Now().After(end.Add(limit())) {
			t.Fatalf("%d of %d changes were answered", a.toggled.Load(), changes)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), limit())
		if _, err := client.EnableRedistribution(ctx, &vrfredistv1.EnableRedistributionRequest{Vrf: "tenant-1", CommunityList: []string{fmt.Sprintf("65000:%d", tries)}}); err != nil {
			t.Errorf("another tenant's change: %v", err)
		}
		cancel()
		slowest = max(slowest, time.Since(began))
		began = time.Now()
		y.daemon.Do("vrf")
		rootSlowest = max(rootSlowest, time.Since(began))
		peak = max(peak, y.resident()-before)
	}
	gap := dog.worst()
	close(a.until)
	a.running.Wait()
	// What the lab builds has the race detector, whose memory is several times more.
	if peak > 200<<20 && os.Getenv(lab.DaemonEnv) != "" {
		t.Errorf("the daemon grew by %d MiB", peak>>20)
	}
	if gap > 3*time.Second {
		t.Errorf("the service manager heard nothing for %s, and would have killed the daemon", round(gap))
	}
	if a.let.Load() == 0 || a.refused.Load() == 0 {
		t.Errorf("of the 6,000 changes %d were made, and %d refused: this proves nothing", a.let.Load(), a.refused.Load())
	}
	promised(t, fmt.Sprintf("%d changes of another tenant, the slowest", tries), slowest, 2*time.Second)
	promised(t, "root's command, the slowest", rootSlowest, 2*time.Second)
	measured(t, "memory %+d MiB at the most; %d changes made and %d refused of who stormed; the watchdog fed each %s at the latest", peak>>20, a.let.Load(), a.refused.Load(), round(gap))
}

// letIn lets other users reach the daemon's socket.
func (y *tenancy) letIn() {
	y.T.Helper()
	for _, d := range []string{y.Dir, filepath.Dir(y.Dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			y.T.Fatal(err)
		}
	}
}

func (y *tenancy) socket() string { return strings.TrimPrefix(y.daemon.Target(), "unix://") }

// resident is the daemon's memory.
func (y *tenancy) resident() int { return (&network{Lab: y.Lab, daemon: y.daemon}).memory() }

// watchdog is a service manager that notes how long it hears nothing.
type watchdog struct {
	path string
	mu   sync.Mutex
	last time.Time     // guarded by mu
	gap  time.Duration // guarded by mu
}

func (y *tenancy) watchdog() *watchdog {
	y.T.Helper()
	w := &watchdog{path: filepath.Join(y.Dir, "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.path, Net: "unixgram"})
	if err != nil {
		y.T.Fatal(err)
	}
	y.T.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if strings.Contains(string(b[:n]), "WATCHDOG=1") {
				w.note(time.Now())
			}
		}
	}()
	return w
}

func (w *watchdog) note(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() {
		w.gap = max(w.gap, at.Sub(w.last))
	}
	w.last = at
}

// worst is the longest time without a word, up to now.
func (w *watchdog) worst() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.gap, time.Since(w.last))
}

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

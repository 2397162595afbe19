package api

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
)

// The codes of gRPC, as they stand in trailers.
const (
	deadlineExceeded  = "4"
	permissionDenied  = "7"
	resourceExhausted = "8"
)

// holds returns what all callers hold together.
func (d *Door) holds() (streams, memory, accounts int) {
	d.accounts.mu.Lock()
	defer d.accounts.mu.Unlock()
	for _, a := range d.accounts.all {
		streams += a.streams
	}
	return streams, d.accounts.memory, len(d.accounts.all)
}

// tenant is a door before a TCP listener whose clients have a role.
func tenant(t *testing.T, l access.Limits, r access.Role) (*Door, string) {
	t.Helper()
	d := NewDoor(l, loopback(r), nil, nil)
	listener, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, listener, newFake())
	return d, target
}

// TestWithoutARoleNothingIsRead: the headers are answered, whatever follows them.
func TestWithoutARoleNothingIsRead(t *testing.T) {
	d := NewDoor(access.DefaultLimits(), access.Policy{Entries: []access.Entry{{Role: access.Admin, UIDs: []uint32{4711}}}}, nil, nil)
	listener, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, listener, newFake())
	for _, method := range []string{v1.Redistribution_GetVrf_FullMethodName, "/apipb.GobgpApi/GetBgp", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/x/y"} {
		r := dialRaw(t, target, 65535)
		id := r.begin(method)
		r.must(r.WriteData(id, false, append(head(4<<20), make([]byte, 8<<10)...)))
		if status, message := r.trailers(id); status != permissionDenied || !strings.Contains(message, "has no role") {
			t.Errorf("%s: %s %s", method, status, message)
		}
		if streams, memory, _ := d.holds(); streams+memory > 0 {
			t.Errorf("%s: it holds %d streams, %d bytes", method, streams, memory)
		}
		r.conn.Close()
	}
}

// TestARefusedConnectionEnds: a caller without a role has none for long.
func TestARefusedConnectionEnds(t *testing.T) {
	d := NewDoor(access.DefaultLimits(), access.Policy{Entries: []access.Entry{{Role: access.Admin, UIDs: []uint32{4711}}}}, nil, nil)
	listener, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, listener, newFake())
	if !dialRaw(t, target, 65535).ended() {
		t.Error("it stays")
	}
	eventually(t, "it is forgotten", func() bool { _, _, accounts := d.holds(); open, _ := d.count(); return accounts+open == 0 })
}

// TestAHalfSentRequest ends after its time, and is charged for until then; other calls
// of the same caller are answered meanwhile.
func TestAHalfSentRequest(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Request = 2 * time.Second
	d, target := tenant(t, limits, access.Read)
	r := dialRaw(t, target, 65535)
	var ids []uint32
	for range 20 {
		id := r.begin(v1.Redistribution_GetVrf_FullMethodName)
		r.must(r.WriteData(id, false, append(head(32<<10), 1, 2, 3)))
		ids = append(ids, id)
	}
	eventually(t, "they are read", func() bool {
		_, memory, _ := d.holds()
		return memory == connectionCost+len(ids)*(streamCost+expanded*64<<10)
	})
	if err := check(t, connect(t, target)); err != nil {
		t.Errorf("another call: %v", err)
	}
	for _, id := range ids {
		if status, message := r.trailers(id); status != deadlineExceeded || !strings.Contains(message, "request_timeout") {
			t.Errorf("%s %s", status, message)
		}
	}
	r.conn.Close()
	eventually(t, "nothing is left", func() bool { _, memory, accounts := d.holds(); return memory <= connectionCost && accounts <= 1 })
}

// TestManyRequestsWait for memory of their caller's, and are answered when it is there.
func TestManyRequestsWait(t *testing.T) {
	limits := access.DefaultLimits()
	limits.MemoryPerUser = connectionCost + 3*streamCost + expanded*64<<10
	_, target := tenant(t, limits, access.Read)
	conn := connect(t, target)
	answers := make(chan error)
	for range 3 {
		go func() { answers <- check(t, conn) }()
	}
	for range 3 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

// TestALongRequestIsRefusedByItsHead, before it comes: also where its length comes in
// pieces, and where an administrator's may be as long.
func TestALongRequestIsRefusedByItsHead(t *testing.T) {
	_, target := tenant(t, access.DefaultLimits(), access.Admin)
	r := dialRaw(t, target, 65535)
	for _, pieces := range [][]int{{5}, {0, 2, 3}, {1, 1, 1, 1, 1}} {
		id := r.begin(v1.Redistribution_GetVrf_FullMethodName)
		rest := head(1 << 20)
		for _, n := range pieces {
			r.must(r.WriteData(id, false, rest[:n]))
			rest = rest[n:]
		}
		if status, message := r.trailers(id); status != resourceExhausted || !strings.Contains(message, "it has 1048576 bytes, and one of this method may have 65536") {
			t.Errorf("%v: %s %s", pieces, status, message)
		}
	}
}

// TestALargePlanSaysWhatToRaise: what administrators alone may send is as large as the
// configuration lets it be.
func TestALargePlanSaysWhatToRaise(t *testing.T) {
	_, target := tenant(t, access.DefaultLimits(), access.Admin)
	r := dialRaw(t, target, 65535)
	id := r.begin(v1.Redistribution_Plan_FullMethodName)
	r.must(r.WriteData(id, false, head(4<<20+1)))
	if status, message := r.trailers(id); status != resourceExhausted || !strings.Contains(message, "larger than max") {
		t.Errorf("%s %s", status, message)
	}
}

// TestPaddedFramesEnd: where the length of a request stands is else a guess.
func TestPaddedFramesEnd(t *testing.T) {
	_, target := tenant(t, access.DefaultLimits(), access.Read)
	r := dialRaw(t, target, 65535)
	r.must(r.WriteDataPadded(r.begin(v1.Redistribution_GetVrf_FullMethodName), false, head(4<<20), make([]byte, 9)))
	if !r.ended() {
		t.Error("the connection stays")
	}
}

// TestManySettingsEnd: a frame of them waits in a queue as it is.
func TestManySettingsEnd(t *testing.T) {
	_, target := tenant(t, access.DefaultLimits(), access.Read)
	r := dialRaw(t, target, 65535)
	r.must(r.WriteSettings(slices.Repeat([]http2.Setting{settingWindow(65535)}, 100)...))
	if !r.ended() {
		t.Error("the connection stays")
	}
}

// TestWhoDoesNotReadIsNotRead: what is queued for a client is bounded by their number,
// be it of calls that are refused, or reset as soon as they have begun.
func TestWhoDoesNotReadIsNotRead(t *testing.T) {
	const most = 6000 // what the kernel's and gRPC's buffers take, and not 10,000 more
	for name, method := range map[string]string{
		"refused": v1.Redistribution_Reload_FullMethodName, "reset": v1.Redistribution_GetVrf_FullMethodName,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := NewDoor(access.DefaultLimits(), loopback(access.Read), nil, nil)
			listener, target := listenTCP(t, "127.0.0.1:0")
			behind(t, d, narrow{listener}, newFake())
			r := dialRaw(t, target, 65535)
			r.must(r.conn.(*net.TCPConn).SetReadBuffer(4096))
			r.must(r.conn.(*net.TCPConn).SetWriteBuffer(4096))
			r.must(r.conn.SetWriteDeadline(time.Now().Add(patient / 5)))
			for n := range most {
				id, err := r.tryBegin(method)
				if err == nil && name == "reset" {
					err = errors.Join(r.WriteData(id, false, head(0)), r.WriteRSTStream(id, http2.ErrCodeCancel))
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Logf("nothing was read after %d calls", n)
					return
				}
				r.must(err)
			}
			t.Errorf("%d calls were read, and no answer", most)
		})
	}
}

// narrow is a listener whose connections have next to no room in the kernel.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = errors.Join(err, tcp.SetReadBuffer(4096), tcp.SetWriteBuffer(4096))
	}
	return conn, err
}

// TestStreamsOfOneUserAreBounded over all of its connections.
func TestStreamsOfOneUserAreBounded(t *testing.T) {
	limits := access.DefaultLimits()
	limits.StreamsPerUser = 4
	d, target := tenant(t, limits, access.Read)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		client := v1.NewRedistributionClient(connect(t, target))
		for range 2 {
			stream, err := client.WatchVrfs(ctx, &v1.WatchVrfsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantCode(t, check(t, connect(t, target)), codes.ResourceExhausted, "has 4 calls under way", "streams_per_user")
	cancel()
	eventually(t, "they end", func() bool { streams, _, _ := d.holds(); return streams == 0 })
	if err := check(t, connect(t, target)); err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce: calls that a client sends together are let in up to the limit, and
// not refused all.
func TestManyAtOnce(t *testing.T) {
	limits := access.DefaultLimits()
	limits.StreamsPerUser = 4
	_, target := tenant(t, limits, access.Read)
	r := dialRaw(t, target, 0) // of which no answer is read, so that each has its place
	var ids []uint32
	for range 10 {
		ids = append(ids, r.call(v1.Redistribution_GetVrf_FullMethodName, &v1.GetVrfRequest{Vrf: "default"}))
	}
	for _, id := range ids[4:] {
		if status, message := r.trailers(id); status != resourceExhausted || !strings.Contains(message, "has 4 calls under way") {
			t.Errorf("%s %s", status, message)
		}
	}
}

// TestAnswersThatAreNotRead count as calls though whoever made them is done: what is
// to be sent is held until the client takes it.
func TestAnswersThatAreNotRead(t *testing.T) {
	limits := access.DefaultLimits()
	limits.StreamsPerUser = 4
	d, target := tenant(t, limits, access.Read)
	r := dialRaw(t, target, 0)
	for range 4 {
		r.call(v1.Redistribution_GetVrf_FullMethodName, &v1.GetVrfRequest{Vrf: "default"})
	}
	eventually(t, "they were made", func() bool { streams, _, _ := d.holds(); return streams == 4 })
	wantCode(t, check(t, connect(t, target)), codes.ResourceExhausted, "has 4 calls under way")
	r.must(r.WriteSettings(settingWindow(65535)))
	eventually(t, "they are read", func() bool { streams, _, _ := d.holds(); return streams == 0 })
}

// TestSmallFramesEnd: frames that hold next to nothing cost more than their bytes.
func TestSmallFramesEnd(t *testing.T) {
	_, target := tenant(t, access.DefaultLimits(), access.Read)
	r := dialRaw(t, target, 65535)
	id := r.begin(v1.Redistribution_GetVrf_FullMethodName)
	r.must(r.WriteData(id, false, head(60<<10)))
	for range 30000 {
		if err := r.WriteData(id, false, []byte{0}); err != nil {
			break
		}
	}
	if !r.ended() {
		t.Error("the connection stays")
	}
	if err := check(t, connect(t, target)); err != nil {
		t.Errorf("another connection: %v", err)
	}
}

// TestLargeRequestsOfATenantAreRefused: one that names a VRF is never large.
func TestLargeRequestsOfATenantAreRefused(t *testing.T) {
	_, target := tenant(t, access.DefaultLimits(), access.OfVRF("vrf-red"))
	_, err := v1.NewRedistributionClient(connect(t, target)).EnableRedistribution(t.Context(),
		&v1.EnableRedistributionRequest{Vrf: "vrf-red", Interfaces: slices.Repeat([]string{""}, 1<<20)})
	wantCode(t, err, codes.ResourceExhausted, "one of this method may have 65536")
}

package api

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
)

// TestAccountsComeOutEven however calls and connections end.
func TestAccountsComeOutEven(t *testing.T) {
	d, target := tenant(t, access.DefaultLimits(), access.Read)
	for range 8 {
		r := dialRaw(t, target, uint32(rand.IntN(2)*65535))
		for range 20 {
			switch rand.IntN(4) {
			case 0:
				r.call(v1.Redistribution_GetVrf_FullMethodName, &v1.GetVrfRequest{Vrf: "vrf-red"})
			case 1:
				r.must(r.WriteRSTStream(r.begin(v1.Redistribution_WatchVrfs_FullMethodName), 8))
			case 2:
				r.must(r.WriteRSTStream(r.call(v1.Redistribution_WatchVrfs_FullMethodName, &v1.WatchVrfsRequest{}), 8))
			case 3:
				r.must(r.WriteData(r.begin(v1.Redistribution_GetVrf_FullMethodName), false, head(1<<20)))
			}
		}
		r.call(v1.Redistribution_WatchVrfs_FullMethodName, &v1.WatchVrfsRequest{})
		r.conn.Close()
	}
	eventually(t, "nothing is held", func() bool {
		streams, memory, accounts := d.holds()
		open, refused := d.count()
		return streams+memory+accounts+open+refused == 0
	})
}

// someone is a connection of a user.
func someone(t *testing.T, d *Door, c access.Caller) *connection {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	go io.Copy(io.Discard, theirs) // it ends with the pipe
	return newConnection(d, ours, c)
}

func user(uid uint32) access.Caller {
	return access.Caller{Way: access.Socket, UID: uid, Owner: uid == 0}
}

// TestPlacesAreKept: administrators get in when others have taken all that they may,
// and root when even those have.
func TestPlacesAreKept(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Connections, limits.ConnectionsPerUser = 16, 4
	d := NewDoor(limits, access.Policy{Entries: []access.Entry{
		{Role: access.Read, UIDs: []uint32{11, 12, 13, 14, 15}}, {Role: access.Admin, UIDs: []uint32{21, 22}},
	}}, nil, nil)
	served := func(uid uint32) bool {
		c := someone(t, d, user(uid))
		d.accounts.mu.Lock()
		c.busy = 1 // so that it is not idle
		d.accounts.mu.Unlock()
		return d.guests.admit(c) == nil && c.refusal == nil
	}
	count := func(uid uint32) (n int) {
		for served(uid) {
			n++
		}
		return n
	}
	var got []string
	for _, uid := range []uint32{11, 12, 13, 14, 15, 21, 22, 0} {
		got = append(got, fmt.Sprintf("%d: %d", uid, count(uid)))
	}
	want := []string{"11: 4", "12: 4", "13: 4", "14: 2", "15: 0", "21: 2", "22: 0", "0: 4"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestIdleConnectionsMakeRoom: who has none gets in where another has many that do
// nothing, the oldest of which ends.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Connections, limits.ConnectionsPerUser = 8, 8
	d := NewDoor(limits, access.Policy{Entries: []access.Entry{{Role: access.Read, UIDs: []uint32{11, 12}}}}, nil, nil)
	var first []*connection
	for range 7 {
		c := someone(t, d, user(11))
		if d.guests.admit(c) != nil || c.refusal != nil {
			t.Fatal(c.refusal)
		}
		first = append(first, c)
	}
	d.accounts.mu.Lock()
	first[0].busy = 1
	d.accounts.mu.Unlock()
	for i := range 5 {
		c := someone(t, d, user(12))
		err := d.guests.admit(c)
		if got, want := err == nil && c.refusal == nil, i < 3; got != want {
			t.Errorf("connection %d is let in: %v, want %v: %v", i, got, want, c.refusal)
		}
	}
	d.accounts.mu.Lock()
	defer d.accounts.mu.Unlock()
	for i, c := range first {
		if _, stays := d.guests.open[c]; stays != (i == 0 || i > 3) {
			t.Errorf("connection %d stays: %v", i, stays)
		}
	}
}

// TestMemoryOfAllIsBounded, and a share of it kept for administrators.
func TestMemoryOfAllIsBounded(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Memory, limits.MemoryPerUser = 64<<20, 32<<20
	d := NewDoor(limits, access.Policy{Entries: []access.Entry{{Role: access.Read, UIDs: []uint32{11, 12, 13}}, {Role: access.Admin, UIDs: []uint32{21}}}}, nil, nil)
	take := func(uid uint32, n int) error {
		d.accounts.mu.Lock()
		defer d.accounts.mu.Unlock()
		return d.accounts.take(someone(t, d, user(uid)), n)
	}
	if err := take(11, 32<<20); err != nil {
		t.Error(err)
	}
	wantCode(t, take(11, 1), codes.ResourceExhausted, "uid 11", "memory_per_user")
	if err := take(12, 24<<20); err != nil {
		t.Error(err)
	}
	wantCode(t, take(13, 1), codes.ResourceExhausted, "the clients of the API hold as much memory as they may (memory ")
	if err := take(21, 8<<20); err != nil {
		t.Errorf("an administrator: %v", err)
	}
	if err := take(0, 1<<30); err != nil {
		t.Errorf("root: %v", err)
	}
	if _, memory, _ := d.holds(); memory != limits.Memory {
		t.Errorf("%d bytes are held", memory)
	}
}

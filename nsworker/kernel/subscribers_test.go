package kernel

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// A Conn that deletes its nexthop objects is closed before the kernel's word of it is read. That is no
// news for others: else each VRF that goes would have all others read their tables.
func TestObjectsOfAClosedConnAreNoNews(t *testing.T) {
	of := func(typ uint16, port uint32) message {
		b := make([]byte, sizeofNhmsg)
		b[0], b[2] = unix.AF_INET, 186
		return message{typ: typ, port: port, body: appendAttrU32(b, unix.NHA_ID, 7)}
	}
	m := fakeMonitor(t)
	m.nexthops = nexthops{}
	leaves, stays := fakeConn(m, rib.Binding{Table: 1001}), fakeConn(m, rib.Binding{Table: 1002})
	leaves.where.Table, stays.where.Table = 1001, 1002
	leaves.sock.port, stays.sock.port = m.filter.ports.base|5, m.filter.ports.base|6
	m.subscribers.add(leaves)
	m.subscribers.add(stays)
	asks := func(what string, port uint32, want bool) {
		t.Helper()
		for _, typ := range []uint16{unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP} {
			if err := m.event(of(typ, port)); err != nil {
				t.Fatal(err)
			}
		}
		if got := stays.Events().Resync; got != want {
			t.Errorf("%s deletes a nexthop object: another VRF reads its table: %v, want %v", what, got, want)
		}
	}
	asks("a VRF", leaves.sock.port, false)
	m.subscribers.remove(leaves)
	asks("a VRF that is gone", leaves.sock.port, false)
	asks("another program", 4711, true)
	asks("another daemon", m.filter.ports.base^1<<20|5, true)
}

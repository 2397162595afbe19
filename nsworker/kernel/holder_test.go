package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestWhoConnectsIsBounded: other users take no memory of ours, and keep no daemon
// of root from hearing of our end.
func TestWhoConnectsIsBounded(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	b := rib.Binding{Netns: ns, Table: table}
	c := own(t, h, b)
	key := c.claimKey()
	dial := func(into *[]net.Conn) func() error {
		return func() error {
			conn, err := net.Dial("unix", key.socket())
			*into = append(*into, conn)
			return err
		}
	}
	var strangers, ours []net.Conn
	for i := range 100 {
		asUser(t, ns, 20000+i%3, dial(&strangers))
	}
	if err := h.within(c.mon.ns, dial(&ours)); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, conn := range append(strangers, ours...) {
		r := bufio.NewReader(conn)
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, fmt.Sprintf(`"pid":%d`, os.Getpid())) {
			t.Fatalf("it says %q, %v", line, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
			kept++
		}
	}
	if kept != 3*listenersOfOne+1 {
		t.Errorf("%d connections of 3 other users and root's are kept, want %d", kept, 3*listenersOfOne+1)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	h.Disown(b)
	if err := ours[0].SetReadDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	if _, err := ours[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("root's connection does not end with us: %v", err)
	}
	for _, conn := range append(strangers, ours...) {
		_ = conn.Close()
	}
}

// TestTrusted: root and our own user, and never one whom the kernel cannot name.
func TestTrusted(t *testing.T) {
	for uid, want := range map[uint32]bool{0: true, uint32(os.Geteuid()): true, overflowUID: false, 12345: false} {
		if uid == uint32(os.Geteuid()) && uid == overflowUID {
			continue
		}
		if got := trusted(uid); got != want {
			t.Errorf("uid %d: %v", uid, got)
		}
	}
}

package probe

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestSessionEnded: it is the far end's FIN that counts, of this port alone.
func TestSessionEnded(t *testing.T) {
	t.Parallel()
	n, far, index := probed(t)
	far.Address("eth0", "192.0.2.2/24")
	dial := func(port string) (here, there net.Conn) {
		t.Helper()
		var l net.Listener
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(n.Enter(func() (err error) { l, err = net.Listen("tcp4", "192.0.2.1:"+port); return err }))
		defer l.Close()
		must(far.Enter(func() (err error) { there, err = net.Dial("tcp4", "192.0.2.1:"+port); return err }))
		here, err := l.Accept()
		must(err)
		t.Cleanup(func() { _ = here.Close(); _ = there.Close() })
		return here, there
	}
	here, there := dial("179")
	_, other := dial("180")
	ended, err := SessionEnded(n.Enter, index, 179, lab.Patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	before := time.Now()
	_ = there.Close()
	if _, err := io.ReadAll(here); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	// The kernel's clock for segments may be a tick behind.
	if at, err := ended(); err != nil || at.Before(before.Add(-10*time.Millisecond)) || at.After(after) {
		t.Errorf("it ended at %v, between %v and %v: %v", at, before, after, err)
	}
	if _, err := SessionEnded(n.Enter, 1<<20, 179, time.Second); err == nil {
		t.Error("no interface has that index")
	}
	never, err := SessionEnded(n.Enter, index, 179, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := never(); err == nil {
		t.Errorf("nothing ended, and it says %v", at)
	}
}

package guard

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestQuiet: once the guard is quiet no reader of GoBGP's is at work, none gets what a
// neighbour sends from then on, and each ends with its connection.
func TestQuiet(t *testing.T) {
	x := established(t, setup{})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	working := make(chan struct{})
	ended := make(chan error, 1)
	go func() { // GoBGP's goroutine: it reads, then works at the message
		for {
			m, err := x.next()
			if err != nil {
				ended <- err
				return
			}
			if m[18] == bgp.BGP_MSG_UPDATE {
				working <- struct{}{}
				<-working
			}
		}
	}()
	x.send(announcement(nil, plainAttrs(), nlri("198.51.100.0/24")))
	<-working
	quiet := make(chan error, 1)
	go func() { quiet <- x.guard.Quiet(ctx) }()
	eventually(t, "the session is asked to be quiet", func() bool {
		select {
		case <-x.conn.quiet.asked:
			return true
		default:
			return false
		}
	})
	select {
	case <-quiet:
		t.Fatal("quiet while a message is being dealt with")
	default:
	}
	working <- struct{}{}
	if err := <-quiet; err != nil {
		t.Fatal(err)
	}
	x.send(announcement(nil, plainAttrs(), nlri("203.0.113.0/24")))
	select {
	case <-working:
		t.Error("an UPDATE passes after Quiet")
	case err := <-ended:
		t.Errorf("the reader has ended before its connection: %v", err)
	default:
	}
	if err := x.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the reader ends with %v", err)
	}
}

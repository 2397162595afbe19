package metrics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestServer(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := NewServer(Options{Listen: "127.0.0.1:0", Log: log}, NewCollector(newSource(), fakeCore{}, thisDaemon(), log))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	other, err := NewServer(Options{Listen: s.Addr().String(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(); err == nil || !strings.Contains(err.Error(), "netlink.metrics") {
		t.Errorf("an address that is taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound, "/debug/pprof/": http.StatusNotFound} {
		r, err := http.Get("http://" + s.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil || r.StatusCode != want {
			t.Errorf("%s: %s, %v", path, r.Status, err)
		}
		if want == http.StatusOK && !strings.Contains(string(body), `vrfredist_vrf_state{netns="tenant",state="degraded",vrf="red"} 1`) {
			t.Errorf("%s: %s", path, body)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whoever reaches the address must not take the descriptors that the tables need.
func TestConnectionsAreBounded(t *testing.T) {
	s, err := NewServer(Options{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	answered := func(c net.Conn, patience time.Duration) error {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 64))
		return err
	}
	var first net.Conn
	for range connections {
		first = dial()
		if err := answered(first, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	more := dial()
	if err := answered(more, 200*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one connection over the limit: %v", err)
	}
	first.Close()
	if err := answered(more, 10*time.Second); err != nil {
		t.Errorf("when another one has ended: %v", err)
	}
}

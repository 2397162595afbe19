package api

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"google.golang.org/grpc/credentials"

	"github.com/vrfredist/vrfredist/api/access"
)

// handshaker finds out who is at the other end of a new connection, before any byte of
// it is read.
type handshaker struct{ door *Door }

// ServerHandshake implements credentials.TransportCredentials.
func (h handshaker) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	caller := access.Caller{Way: access.Loopback}
	conn := raw
	var err error
	if socket, ok := raw.(*net.UnixConn); ok {
		caller, err = peerOf(socket)
	} else if t := h.door.rules.Load().tls; t != nil {
		conn, caller, err = h.door.greetings.greet(raw, t)
	} else if local, ok := raw.LocalAddr().(*net.TCPAddr); !ok || !local.IP.IsLoopback() {
		// A reload may take TLS away, and the listener stays.
		err = errors.New("it came over TCP from beyond this host, and there is no TLS")
	}
	if err != nil {
		h.door.log.Debug("a connection to the API was refused", "from", raw.RemoteAddr().String(), "err", err)
		return nil, nil, err
	}
	c := newConnection(h.door, conn, caller)
	if err := h.door.guests.admit(c); err != nil {
		h.door.log.Debug("a connection to the API was refused", "from", caller.String(), "err", err)
		return nil, nil, err
	}
	return c, c, nil
}

// maxHandshakes bounds the handshakes of strangers: a caller who has shown a certificate
// counts among the guests.
const maxHandshakes = 64

// greetings are the TLS handshakes under way.
type greetings struct {
	mu       sync.Mutex // guards the rest
	underWay int
	by       map[string]int // of them by address
}

func newGreetings() *greetings { return &greetings{by: make(map[string]int)} }

// greet shakes hands over TLS and reads the client's certificate.
func (g *greetings) greet(raw net.Conn, t credentials.TransportCredentials) (net.Conn, access.Caller, error) {
	caller := access.Caller{Way: access.Certificate}
	from := hostOf(raw.RemoteAddr())
	if err := g.begin(from); err != nil {
		return nil, caller, err
	}
	defer g.end(from)
	conn, auth, err := t.ServerHandshake(raw)
	if err != nil {
		return nil, caller, err
	}
	info, ok := auth.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil, caller, errors.New("the client showed no certificate that was verified")
	}
	leaf := info.State.VerifiedChains[0][0]
	caller.Names, caller.Until = certificateNames(leaf), leaf.NotAfter
	return conn, caller, nil
}

// hostOf is an address without its port.
func hostOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return a.String()
}

// begin counts a TLS handshake, of which one address has a quarter at most.
func (g *greetings) begin(from string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.underWay >= maxHandshakes:
		return fmt.Errorf("%d TLS handshakes are under way already", g.underWay)
	case g.by[from] >= maxHandshakes/4:
		return fmt.Errorf("%d TLS handshakes are under way with %s already", g.by[from], from)
	}
	g.underWay++
	g.by[from]++
	return nil
}

func (g *greetings) end(from string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.underWay--
	if g.by[from]--; g.by[from] == 0 {
		delete(g.by, from)
	}
}

// certificateNames are the names under which the configuration may speak of a
// certificate: the common name first.
func certificateNames(c *x509.Certificate) []string {
	var names []string
	if c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	names = append(names, c.DNSNames...)
	names = append(names, c.EmailAddresses...)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	seen := make(map[string]bool)
	return slices.DeleteFunc(names, func(n string) bool {
		twice := seen[n]
		seen[n] = true
		return twice
	})
}

// ClientHandshake implements credentials.TransportCredentials.
func (h handshaker) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a server's")
}

// Info implements credentials.TransportCredentials.
func (h handshaker) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "vrfredist"}
}

// Clone implements credentials.TransportCredentials.
func (h handshaker) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials.
func (h handshaker) OverrideServerName(string) error { return nil }

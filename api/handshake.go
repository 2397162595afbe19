package api

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"

	"google.golang.org/grpc/credentials"

	"github.com/vrfredist/vrfredist/api/access"
)

// handshaker finds out who is at the other end of a new connection, of which it is
// the first that sees it.
type handshaker struct{ door *Door }

// ServerHandshake implements credentials.TransportCredentials.
func (h handshaker) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	caller := access.Caller{Way: access.Loopback}
	conn := raw
	var err error
	if socket, ok := raw.(*net.UnixConn); ok {
		caller, err = peerOf(socket)
	} else if t := h.door.rules.Load().tls; t != nil {
		conn, caller, err = h.door.greet(raw, t)
	} else if local, ok := raw.LocalAddr().(*net.TCPAddr); !ok || !local.IP.IsLoopback() {
		// A reload may take TLS away, and the listener stays.
		err = errors.New("it came over TCP from beyond this host, and there is no TLS")
	}
	if err != nil {
		h.door.log.Debug("a connection to the API was refused", "from", raw.RemoteAddr().String(), "err", err)
		return nil, nil, err
	}
	c := newConnection(h.door, conn, caller)
	if err := h.door.admit(c); err != nil {
		h.door.log.Debug("a connection to the API was refused", "from", caller.String(), "err", err)
		return nil, nil, err
	}
	return c, c, nil
}

// greet shakes hands over TLS and reads the client's certificate.
func (d *Door) greet(raw net.Conn, t credentials.TransportCredentials) (net.Conn, access.Caller, error) {
	caller := access.Caller{Way: access.Certificate}
	from := hostOf(raw.RemoteAddr())
	if err := d.beginGreeting(from); err != nil {
		return nil, caller, err
	}
	defer d.endGreeting(from)
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

// beginGreeting counts a TLS handshake, of which one address has a quarter at most.
func (d *Door) beginGreeting(from string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.greeted >= maxHandshakes:
		return fmt.Errorf("%d TLS handshakes are under way already", d.greeted)
	case d.greeting[from] >= maxHandshakes/4:
		return fmt.Errorf("%d TLS handshakes are under way with %s already", d.greeting[from], from)
	}
	d.greeted++
	d.greeting[from]++
	return nil
}

func (d *Door) endGreeting(from string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.greeted--
	if d.greeting[from]--; d.greeting[from] == 0 {
		delete(d.greeting, from)
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

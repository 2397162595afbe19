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

// handshaker finds out who is at the other end of a new connection. GoBGP makes
// the listeners, and hands each connection to the gRPC server; this is the first
// that sees it.
type handshaker struct{ door *Door }

// ServerHandshake implements credentials.TransportCredentials.
func (h handshaker) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	caller := access.Caller{Way: access.Loopback}
	self := false
	conn := raw
	var err error
	if socket, ok := raw.(*net.UnixConn); ok {
		caller, self, err = peerOf(socket)
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
	c := &connection{Conn: conn, door: h.door, caller: caller, self: self}
	if err := h.door.admit(c); err != nil {
		h.door.log.Debug("a connection to the API was refused", "from", caller.String(), "err", err)
		return nil, nil, err
	}
	return c, c, nil
}

// greet shakes hands over TLS and reads the client's certificate.
func (d *Door) greet(raw net.Conn, t credentials.TransportCredentials) (net.Conn, access.Caller, error) {
	caller := access.Caller{Way: access.Certificate}
	d.mu.Lock()
	full := d.greeted >= maxHandshakes
	if !full {
		d.greeted++
	}
	d.mu.Unlock()
	if full {
		return nil, caller, fmt.Errorf("%d TLS handshakes are under way already", maxHandshakes)
	}
	defer func() {
		d.mu.Lock()
		d.greeted--
		d.mu.Unlock()
	}()
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

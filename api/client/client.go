// Package client speaks to a vrfredist daemon over its API: it dials by socket or TLS, sends
// again what may be sent again, and goes on with a watch whose stream broke.
//
// It promises that a call which changes something is sent again only where that changes nothing
// more: a request of ApplyVrf or ApplyNeighbor without a generation says how all is to be, and
// the same twice is the same as once. Begin reading at Dial and Watch. Everything else is the
// generated client of api/v1, which a Client is.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// DefaultAddress is where the daemon serves its API where its file says nothing else.
const DefaultAddress = "unix:///run/vrfredist/vrfredist.sock"

// mostAnswer bounds one message of the daemon, in bytes: of some ten thousand VRFs.
const mostAnswer = 64 << 20

// Options say which daemon to speak to, and how.
type Options struct {
	// Address is unix:///PATH, a path, or HOST:PORT; "": DefaultAddress.
	Address string
	// TLS is for HOST:PORT, as TLS makes it; nil: none.
	TLS *tls.Config
	// Patience is for how long a call is made again while the daemon does not answer; 0: it is
	// made once.
	Patience time.Duration
}

// Client is a connection to a daemon. It is safe for concurrent use.
type Client struct {
	vrfredistv1.RedistributionClient
	conn     *grpc.ClientConn
	failure  atomic.Pointer[error] // of the last attempt to dial
	patience time.Duration
}

// Dial makes a client. The connection is made by the first call.
func Dial(o Options) (*Client, error) {
	if o.Address == "" {
		o.Address = DefaultAddress
	}
	network, address, err := ParseAddress(o.Address)
	if err != nil {
		return nil, err
	}
	c := &Client{patience: o.Patience}
	creds := insecure.NewCredentials()
	if o.TLS != nil {
		creds = credentials.NewTLS(o.TLS)
	}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			c.failure.Store(&err) // grpc makes text of it, and the reason may matter
			return nil, err
		}
		c.failure.Store(nil)
		return conn, nil
	}
	c.conn, err = grpc.NewClient("passthrough:///vrfredist",
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostAnswer)), grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(dial), grpc.WithUnaryInterceptor(c.again))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Address, err)
	}
	c.RedistributionClient = vrfredistv1.NewRedistributionClient(c.conn)
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// DialFailure is why the last attempt to connect failed; nil: it did not.
func (c *Client) DialFailure() error {
	if err := c.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// ParseAddress takes unix:///PATH, unix:PATH, a plain absolute path, or HOST:PORT.
func ParseAddress(s string) (network, address string, err error) {
	if path, unix := strings.CutPrefix(s, "unix:"); unix || strings.HasPrefix(s, "/") {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return "", "", fmt.Errorf("%q: the path is missing; write unix:///PATH", s)
		}
		return "unix", path, nil
	}
	if _, _, err := net.SplitHostPort(s); err != nil {
		return "", "", fmt.Errorf("%q: is no address; write unix:///PATH or HOST:PORT", s)
	}
	return "tcp", s, nil
}

// Errors of TLS match one of these, by which file they are about.
var (
	ErrCA          = errors.New("the CA")
	ErrCertificate = errors.New("the certificate and its key")
)

// fileError is the error of a file of TLS, in its own words.
type fileError struct{ of, err error }

func (e fileError) Error() string   { return e.err.Error() }
func (e fileError) Unwrap() []error { return []error{e.of, e.err} }

// TLS reads the files by which a client and the daemon prove to each other who they are, in PEM.
// name is that in the daemon's certificate: the host of its address, unless it is called otherwise.
func TLS(ca, certificate, key, name string) (*tls.Config, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fileError{ErrCA, err}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fileError{ErrCA, fmt.Errorf("%s holds no certificate in PEM", ca)}
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fileError{ErrCertificate, err}
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: name, MinVersion: tls.VersionTLS13}, nil
}

// Pauses between attempts.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// repeatable tells whether a call may be made again where it is not known what became of it.
func repeatable(method string, request any) bool {
	name := method[strings.LastIndexByte(method, '/')+1:]
	switch r := request.(type) {
	case *vrfredistv1.ApplyVrfRequest:
		return r.Generation == nil
	case *vrfredistv1.ApplyNeighborRequest:
		return r.Generation == nil
	}
	for _, reads := range []string{"Get", "List", "Explain", "Diagnose"} {
		if strings.HasPrefix(name, reads) {
			return true
		}
	}
	return false
}

// again makes calls again that may be, while nobody answers.
func (c *Client) again(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	until := time.Now().Add(c.patience)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := call(ctx, method, request, reply, conn, options...)
		if status.Code(err) != codes.Unavailable || time.Now().Add(pause).After(until) {
			return err
		}
		// What was not dialled was not sent.
		if c.DialFailure() == nil && !repeatable(method, request) {
			return err
		}
		if !wait(ctx, pause) {
			return err
		}
	}
}

// wait returns false where ctx ends before a pause is over.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package api

import (
	"crypto/tls"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/vrfredist/vrfredist/api/access"
)

// Door stands before the services: it finds out who comes in, bounds how many
// may, and lets each call through that the caller's roles allow. It is safe for
// concurrent use.
type Door struct {
	log    *slog.Logger
	limits access.Limits
	rules  atomic.Pointer[rules]

	mu      sync.Mutex
	open    map[*connection]struct{} // guarded by mu
	byUser  map[string]int           // guarded by mu; connections in open by caller
	refused int                      // guarded by mu; connections in open that get refusals alone
	greeted int                      // guarded by mu; TLS handshakes under way
}

// rules are what a reload may change.
type rules struct {
	policy access.Policy
	tls    credentials.TransportCredentials // nil: TCP has none
}

// maxRefused is how many connections over the limit are told why at a time. What
// comes beyond them is closed without a word.
const maxRefused = 16

// maxHandshakes bounds strangers: who has shown a certificate is counted else.
const maxHandshakes = 64

// maxHeader bounds the names and metadata of one call, in bytes.
const maxHeader = 64 << 10

// NewDoor makes a door. Policy and TLS are those of Set; log may be nil.
func NewDoor(l access.Limits, p access.Policy, t *tls.Config, log *slog.Logger) *Door {
	if log == nil {
		log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	d := &Door{log: log, limits: l, open: make(map[*connection]struct{}), byUser: make(map[string]int)}
	d.Set(p, t)
	return d
}

// Set brings a policy and the TLS of TCP connections (nil: none) into force:
// calls that are under way lose at once what their caller may no longer see. t
// must demand and verify certificates of the clients.
func (d *Door) Set(p access.Policy, t *tls.Config) {
	r := &rules{policy: p}
	if t != nil {
		r.tls = credentials.NewTLS(t)
	}
	d.rules.Store(r)
}

// Expel ends every TLS connection: their clients come back, and show certificates
// that those in force now vouch for.
func (d *Door) Expel() {
	d.mu.Lock()
	var out []*connection
	for c := range d.open {
		if c.caller.Way == access.Certificate {
			out = append(out, c)
		}
	}
	d.mu.Unlock()
	for _, c := range out {
		c.Close()
	}
}

// Options are what makes a gRPC server one that stands behind the door.
func (d *Door) Options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.Creds(handshaker{d}),
		grpc.UnaryInterceptor(d.unary),
		grpc.StreamInterceptor(d.stream),
		grpc.MaxRecvMsgSize(d.limits.MessageSize),
		// A client that keeps to HTTP/2's own limit waits without a word; so there
		// is room for the calls that are refused with one.
		grpc.MaxConcurrentStreams(2 * uint32(d.limits.Calls)),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(d.limits.Handshake),
		// A client whose host is gone gives its place back.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: time.Minute}),
	}
}

// own tells whether a user is the one that the daemon runs as, or root.
func own(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

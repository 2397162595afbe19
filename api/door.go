package api

import (
	"crypto/tls"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/vrfredist/vrfredist/api/access"
	_ "github.com/vrfredist/vrfredist/api/backlog" // bounds what is queued for a client
)

// Door stands before the services: it finds out who connects, bounds the connections
// and calls, and lets each call through that the caller's roles allow. It is safe for
// concurrent use.
type Door struct {
	log       *slog.Logger
	limits    access.Limits
	rules     atomic.Pointer[rules]
	accounts  *accounts
	guests    *guests
	greetings *greetings
	audit     *audit
	made      func(vrf string) bool // over the API; nil: nothing is
}

// rules are the part of a door that a reload may change.
type rules struct {
	policy access.Policy
	tls    credentials.TransportCredentials // nil: TCP has none
}

// maxHeader bounds the names and metadata of one call, in bytes.
const maxHeader = 16 << 10

// window is how much of a stream a client may send before we ask for it, in bytes.
const window = 64<<10 - 1

// NewDoor makes a door. Policy and TLS are as in Set; log may be nil.
func NewDoor(l access.Limits, p access.Policy, t *tls.Config, log *slog.Logger) *Door {
	if log == nil {
		log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	accounts := newAccounts(l)
	d := &Door{log: log, limits: l, accounts: accounts, guests: newGuests(accounts), greetings: newGreetings(), audit: newAudit(log)}
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
// that the authorities in force now vouch for.
func (d *Door) Expel() {
	for _, c := range d.guests.over(access.Certificate) {
		c.Close()
	}
}

// options put a gRPC server behind the door.
func (d *Door) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.Creds(handshaker{d}),
		grpc.InTapHandle(d.tap),
		grpc.StreamInterceptor(d.stream),
		grpc.ForceServerCodecV2(newCodec()),
		// Fixed windows: gRPC's own grow with the client's bandwidth.
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.ReadBufferSize(0), // a connection has its own
		grpc.MaxRecvMsgSize(d.limits.MessageSize),
		// A client that keeps to SETTINGS_MAX_CONCURRENT_STREAMS waits without a word; so
		// there is room for the calls that are refused with a reason.
		grpc.MaxConcurrentStreams(2 * uint32(d.limits.Calls)),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(d.limits.Handshake),
		// A client whose host is gone gives its place back.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: time.Minute}),
	}
}

// own tells whether a user is root, or the user that the daemon runs as.
func own(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

package daemon

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
)

// gate is the door before the API, as the configuration has it.
type gate struct {
	door   *api.Door
	listen []string // --api-listen: takes the place of the file's addresses
	log    *slog.Logger
}

func newGate(listen []string, cfg config.API, log *slog.Logger) (*gate, error) {
	t, err := serverTLS(cfg.TLS)
	if err != nil {
		return nil, err
	}
	return &gate{api.NewDoor(cfg.Limits, cfg.Policy, t, log), listen, log}, nil
}

// addresses are where the API is served.
func (g *gate) addresses(cfg config.API) []string {
	if len(g.listen) > 0 {
		return g.listen
	}
	return cfg.Listen
}

// warnOfStrangers says where the API does not know who calls.
func (g *gate) warnOfStrangers(cfg config.API) {
	if cfg.TLS != nil || len(cfg.Policy.Entries) > 0 {
		return
	}
	for _, a := range g.addresses(cfg) {
		if !strings.HasPrefix(a, "unix://") {
			g.log.Warn("every user of this host may do everything over this address of the API, because TCP without TLS does not say who calls; use a unix socket, or give roles (docs/SECURITY.md)", "address", a)
		}
	}
}

// serverTLS is nil where there are no certificates.
func serverTLS(t *config.TLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	pair, err := tls.X509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("netlink.api.tls: %w", err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(t.ClientCA)
	return api.ServerTLS(pair, clients), nil
}

// guard brings the roles and certificates of a configuration into force, and says
// what is new. Who was let in by a CA that is not trusted any more must come
// anew.
func (g *gate) guard(old, next config.API) (changes []string, err error) {
	t, err := serverTLS(next.TLS)
	if err != nil {
		return nil, err
	}
	g.door.Set(next.Policy, t)
	if !sameTLS(old.TLS, next.TLS) {
		g.door.Expel()
	}
	return guardChanges(old, next), nil
}

// guardChanges says what a reload changes at once.
func guardChanges(old, next config.API) (changes []string) {
	if !reflect.DeepEqual(old.Policy, next.Policy) {
		changes = append(changes, "netlink.api.roles changed")
	}
	if !sameTLS(old.TLS, next.TLS) {
		changes = append(changes, "netlink.api.tls: the certificates changed, and TLS clients must connect anew")
	}
	return changes
}

func sameTLS(a, b *config.TLS) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Certificate, b.Certificate) && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.ClientCA, b.ClientCA)
}

// later says what of a changed configuration takes effect at the next start.
func (g *gate) later(old, next *config.Config) []string {
	changes := g.laterAPI(old.API, next.API)
	if !reflect.DeepEqual(old.Metrics, next.Metrics) {
		changes = append(changes, "netlink.metrics changed: it takes effect at the next start")
	}
	return changes
}

func (g *gate) laterAPI(old, next config.API) (changes []string) {
	for key, changed := range map[string]bool{
		"listen":       g.listen == nil && !slices.Equal(old.Listen, next.Listen),
		"socket_group": !reflect.DeepEqual(old.SocketGroup, next.SocketGroup),
		"limits":       old.Limits != next.Limits,
	} {
		if changed {
			changes = append(changes, "netlink.api."+key+" changed: it takes effect at the next start")
		}
	}
	slices.Sort(changes)
	return changes
}

package daemon

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
)

// newDoor makes what stands before the API.
func (d *daemon) newDoor(cfg config.API) (*api.Door, error) {
	t, err := serverTLS(cfg.TLS)
	if err != nil {
		return nil, err
	}
	return api.NewDoor(cfg.Limits, cfg.Policy, t, d.log), nil
}

// warnOfStrangers says where the API does not know who calls.
func (d *daemon) warnOfStrangers(cfg config.API) {
	if cfg.TLS != nil || len(cfg.Policy.Entries) > 0 {
		return
	}
	for _, a := range d.addresses() {
		if !strings.HasPrefix(a, "unix://") {
			d.log.Warn("every user of this host may do everything over this address of the API, because TCP without TLS does not say who calls; use a unix socket, or give roles (docs/SECURITY.md)", "address", a)
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
func (d *daemon) guard(old, next config.API) (changes []string, err error) {
	t, err := serverTLS(next.TLS)
	if err != nil {
		return nil, err
	}
	d.door.Set(next.Policy, t)
	if !sameTLS(old.TLS, next.TLS) {
		d.door.Expel()
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

// laterAPI says what of [netlink.api] takes effect at the next start.
func (d *daemon) laterAPI(old, next config.API) (changes []string) {
	for key, changed := range map[string]bool{
		"listen":       d.listen == nil && !slices.Equal(old.Listen, next.Listen),
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

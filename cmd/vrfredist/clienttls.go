package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/client"
)

// tlsOptions are the files by which a command and the daemon prove to each other
// who they are.
type tlsOptions struct {
	ca, cert, key string
	name          string // of the daemon's certificate; "": the host of its address
}

func (o *tlsOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.ca, "tls-ca", "", "`FILE` of the CA that vouches for the daemon at HOST:PORT, in PEM")
	f.StringVar(&o.cert, "tls-cert", "", "`FILE` of the certificate to show the daemon")
	f.StringVar(&o.key, "tls-key", "", "`FILE` of that certificate's key")
	f.StringVar(&o.name, "tls-name", "", "`NAME` in the daemon's certificate, where it is not HOST")
}

// config returns what to speak to an address with, nil without TLS; an error is one of usage.
func (o tlsOptions) config(network, address string) (*tls.Config, error) {
	for _, v := range []struct {
		of   *string
		name string
	}{{&o.ca, "VRFREDIST_TLS_CA"}, {&o.cert, "VRFREDIST_TLS_CERT"}, {&o.key, "VRFREDIST_TLS_KEY"}, {&o.name, "VRFREDIST_TLS_NAME"}} {
		if network == "tcp" {
			*v.of = cmp.Or(*v.of, os.Getenv(v.name))
		}
	}
	switch {
	case o == tlsOptions{}:
		return nil, nil
	case network != "tcp":
		return nil, errors.New("--tls-ca, --tls-cert, --tls-key and --tls-name are for a daemon at HOST:PORT; a unix socket needs none")
	case o.ca == "" || o.cert == "" || o.key == "":
		return nil, errors.New("TLS needs all of --tls-ca, --tls-cert and --tls-key: the daemon wants to know who calls")
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	secured, err := client.TLS(o.ca, o.cert, o.key, cmp.Or(o.name, host))
	switch {
	case errors.Is(err, client.ErrCA):
		return nil, fmt.Errorf("--tls-ca: %w", err)
	case err != nil:
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	return secured, nil
}

// tlsFailure words what goes wrong before the daemon has heard the question; nil
// where it is something else. gRPC has only text for it.
func tlsFailure(api string, err error, secured bool) error {
	if status.Code(err) != codes.Unavailable {
		return nil
	}
	text := status.Convert(err).Message()
	_, why, shaking := strings.Cut(text, "authentication handshake failed: ")
	_, refused, told := strings.Cut(text, "remote error: tls: ")
	switch {
	case !secured:
		if strings.Contains(text, "server preface") {
			return fmt.Errorf("what answers at %s hung up: if it wants TLS, give --tls-ca, --tls-cert and --tls-key", api)
		}
		return nil
	case told:
		return fmt.Errorf("vrfredist at %s does not take the certificate of --tls-cert: %s; its client_ca must vouch for it", api, strings.TrimSuffix(refused, `"`))
	case shaking:
		return fmt.Errorf("TLS with %s failed: %s; --tls-ca must vouch for its certificate, and the certificate must name the host, or what --tls-name says", api, strings.TrimSuffix(why, `"`))
	case strings.Contains(text, "server preface"), strings.Contains(text, "broken pipe"), strings.Contains(text, "connection reset"):
		// In TLS 1.3 the client is done before the server has looked at its
		// certificate, and may find the connection closed before it reads why.
		return fmt.Errorf("vrfredist at %s hung up: either it does not take the certificate of --tls-cert, for which its client_ca must vouch, or it is ending: %s", api, text)
	}
	return nil
}

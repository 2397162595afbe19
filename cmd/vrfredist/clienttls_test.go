package main

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/integration/pki"
)

func TestCommandsOverTLS(t *testing.T) {
	ca, other, later := pki.New(t), pki.New(t), time.Now().Add(time.Hour)
	policy := access.Policy{Entries: []access.Entry{{Role: "vrf:vrf-red", Names: []string{"noc"}}}}
	door := api.NewDoor(access.DefaultLimits(), policy, api.ServerTLS(ca.Issue(t, later, "router", "127.0.0.1", "router.example"), ca.Pool), nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := api.NewGateway(door, newFakeDaemon(t))
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served
			t.Error(err)
		}
	}()
	t.Chdir(t.TempDir())
	ca.Write(t, ".")
	pki.Files(t, ".", "noc", ca.Issue(t, later, "noc"))
	pki.Files(t, ".", "foreign", other.Issue(t, later, "noc"))
	if err := os.WriteFile("empty.pem", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	const mine = "--tls-ca ca.pem --tls-cert noc.pem --tls-key noc.key"
	for line, want := range map[string]string{
		"vrf vrf-red --api " + address + " " + mine:                                                      "Table",
		"vrf vrf-red --api localhost:" + port + " " + mine + " --tls-name router.example":                "Table",
		"vrf vrf-red --api localhost:" + port + " " + mine:                                               "--tls-name",
		"vrf default --api " + address + " " + mine:                                                      `the holder of the certificate "noc" has the role vrf:vrf-red, which does not cover the VRF that was asked for, "default"`,
		"reload --api " + address + " " + mine:                                                           "needs the role admin",
		"vrf vrf-red --api " + address:                                                                   "if it wants TLS, give --tls-ca",
		"vrf vrf-red --api " + address + " --tls-ca ca.pem --tls-cert foreign.pem --tls-key foreign.key": "does not take the certificate of --tls-cert",
		"vrf vrf-red --api " + address + " --tls-ca foreign.pem --tls-cert noc.pem --tls-key noc.key":    "--tls-ca must vouch for its certificate",
		"vrf vrf-red --api " + address + " --tls-ca ca.pem":                                              "TLS needs all of",
		"vrf vrf-red --api " + address + " --tls-ca none.pem --tls-cert noc.pem --tls-key noc.key":       "--tls-ca: open none.pem",
		"vrf vrf-red --api " + address + " --tls-ca empty.pem --tls-cert noc.pem --tls-key noc.key":      "holds no certificate",
		"vrf vrf-red --api " + address + " --tls-ca ca.pem --tls-cert noc.pem --tls-key foreign.key":     "--tls-cert and --tls-key:",
		"vrf vrf-red --api unix:s " + mine:                                                               "a unix socket needs none",
	} {
		if got := session(t, line); !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	t.Setenv("VRFREDIST_API", address)
	t.Setenv("VRFREDIST_TLS_CA", "ca.pem")
	t.Setenv("VRFREDIST_TLS_CERT", "noc.pem")
	t.Setenv("VRFREDIST_TLS_KEY", "noc.key")
	if got := session(t, "vrf vrf-red"); !strings.Contains(got, "Table") {
		t.Errorf("from the environment: %s", got)
	}
	if got := session(t, "vrf vrf-red --api unix:s"); strings.Contains(got, "needs none") {
		t.Errorf("the environment's certificates are held against a socket: %s", got)
	}
}

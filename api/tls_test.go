package api

import (
	"crypto/tls"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/integration/pki"
)

// byCertificate gives "noc" the role read.
func byCertificate(names ...string) access.Policy {
	return access.Policy{Entries: []access.Entry{{Role: access.Read, Names: names}}}
}

func dialTLS(t *testing.T, target string, ca *pki.Authority, mine ...tls.Certificate) *grpc.ClientConn {
	t.Helper()
	creds := credentials.NewTLS(&tls.Config{RootCAs: ca.Pool, Certificates: mine, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestCertificates(t *testing.T) {
	ca, other := pki.New(t), pki.New(t)
	hour := time.Now().Add(time.Hour)
	d := NewDoor(access.DefaultLimits(), byCertificate("noc", "noc.example"), ServerTLS(ca.Issue(t, hour, "server", "127.0.0.1"), ca.Pool), nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	for _, tc := range []struct {
		name string
		mine []tls.Certificate
		want codes.Code
	}{
		{"by its common name", []tls.Certificate{ca.Issue(t, hour, "noc")}, codes.OK},
		{"by another of its names", []tls.Certificate{ca.Issue(t, hour, "somebody", "noc.example")}, codes.OK},
		{"of no name that has a role", []tls.Certificate{ca.Issue(t, hour, "somebody")}, codes.PermissionDenied},
		{"of another CA", []tls.Certificate{other.Issue(t, hour, "noc")}, codes.Unavailable},
		{"that ran out", []tls.Certificate{ca.Issue(t, time.Now().Add(-time.Minute), "noc")}, codes.Unavailable},
		{"none", nil, codes.Unavailable},
	} {
		if err := check(t, dialTLS(t, target, ca, tc.mine...)); status.Code(err) != tc.want {
			t.Errorf("a certificate %s: %v, want %v", tc.name, err, tc.want)
		}
	}
	if err := check(t, connect(t, target)); status.Code(err) != codes.Unavailable {
		t.Errorf("without TLS: %v", err)
	}
	eventually(t, "what was refused is not counted", func() bool {
		d.greetings.mu.Lock()
		defer d.greetings.mu.Unlock()
		return d.greetings.underWay == 0
	})
}

// TestACertificateThatRunsOut while its connection is open.
func TestACertificateThatRunsOut(t *testing.T) {
	ca, hour := pki.New(t), time.Now().Add(time.Hour)
	d := NewDoor(access.DefaultLimits(), byCertificate("noc"), ServerTLS(ca.Issue(t, hour, "server", "127.0.0.1"), ca.Pool), nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	conn := dialTLS(t, target, ca, ca.Issue(t, time.Now().Add(3*time.Second), "noc"))
	if err := check(t, conn); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the connection is refused", func() bool { return status.Code(check(t, conn)) == codes.Unauthenticated })
}

// TestAnotherCA: who was let in by the old one is sent away, and the new one
// counts from then on.
func TestAnotherCA(t *testing.T) {
	before, after := pki.New(t), pki.New(t)
	hour := time.Now().Add(time.Hour)
	server := before.Issue(t, hour, "server", "127.0.0.1")
	d := NewDoor(access.DefaultLimits(), byCertificate("noc"), ServerTLS(server, before.Pool), nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	old := dialTLS(t, target, before, before.Issue(t, hour, "noc"))
	if err := check(t, old); err != nil {
		t.Fatal(err)
	}
	d.Set(byCertificate("noc"), ServerTLS(server, after.Pool))
	d.Expel()
	eventually(t, "the old one is gone", func() bool { return status.Code(check(t, old)) == codes.Unavailable })
	if err := check(t, dialTLS(t, target, before, after.Issue(t, hour, "noc"))); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

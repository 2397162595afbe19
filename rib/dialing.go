package rib

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// Dialing is an attempt to connect to a BGP neighbour, as far as the words about its
// failure depend on it.
type Dialing struct {
	Port        uint16     // of the neighbour
	Local       netip.Addr // ours; invalid: the system chooses
	Password    bool       // there is one (RFC 2385)
	TTLSecurity bool       // RFC 5082
	Where       string     // where its routes and addresses are to be looked at: "in that namespace"
}

// Failure says in plain words why an attempt failed, and what to look at.
func (d Dialing) Failure(err error) string {
	var timed interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("it refuses connections on port %d; does BGP run there%s?", d.Port, d.expected(", and does it expect us as %v"))
	case errors.Is(err, syscall.ECONNRESET):
		return "it reset the connection" + d.expected("; does it expect us as %v?")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to it; look at the routes and links " + d.Where
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("our address %v is on no interface %s; add it, or change local-address", d.Local, d.place())
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return fmt.Sprintf("an interface that it needs is not there: %v", err)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("%v; run with CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE and CAP_SYS_ADMIN", err)
	case errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &timed) && timed.Timeout():
		return "the connection timed out; " + d.doubt()
	}
	return err.Error()
}

// Silence says what to look at while an attempt goes on without an answer.
func (d Dialing) Silence() string { return "it does not answer; " + d.doubt() }

// doubt is what can be wrong where a neighbour answers nothing: who expects another
// password, or none, drops each packet without a word (RFC 2385, 2).
func (d Dialing) doubt() string {
	switch {
	case d.Password:
		return "is the password the same on both sides?"
	case d.TTLSecurity:
		return "is the peer up, and does it have TTL security too?"
	}
	return "is the peer up, and does it want a password?"
}

func (d Dialing) expected(format string) string {
	if !d.Local.IsValid() {
		return ""
	}
	return fmt.Sprintf(format, d.Local)
}

func (d Dialing) place() string {
	if d.Where == "in that namespace" {
		return "there"
	}
	return d.Where
}

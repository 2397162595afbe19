package relay

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// dialError says why a peer was not reached and what to look at.
func dialError(n neighbor, err error) error {
	return &reason{fmt.Sprintf("no session with %v: %s", n, dialWords(n, err)), err}
}

func dialWords(n neighbor, err error) string {
	return rib.Dialing{
		Port: n.port(), Local: n.Local, Password: n.Password != "", TTLSecurity: n.TTLSecurity != 0, Where: "in that namespace",
	}.Failure(err)
}

// listenError says why we do not listen.
func listenError(netns string, k listenKey, err error) error {
	words := err.Error()
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		words = "another program listens there; end it, or change the port"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		words = fmt.Sprintf("%v; run with CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE and CAP_SYS_ADMIN", err)
	}
	return &reason{fmt.Sprintf("cannot listen on %v port %d in %s: %s", k.local, k.port, rib.NetnsText(netns), words), err}
}

// ourAddress is what the peer has to know us by.
func ourAddress(n neighbor) string {
	if n.Local.IsValid() {
		return "the address " + n.Local.String()
	}
	return "our address on that link"
}

// endWords says why a connection ended: copying from src ended with err.
func endWords(src side, err error) string {
	switch {
	case err == nil:
		return fmt.Sprintf("%v closed the connection", src)
	case errors.Is(err, unix.EPIPE), errors.Is(err, os.ErrClosed):
		return fmt.Sprintf("%v closed the connection", src.other())
	case errors.Is(err, unix.ECONNRESET):
		return fmt.Sprintf("%v reset the connection", src)
	case errors.Is(err, unix.ETIMEDOUT), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		return fmt.Sprintf("%v does not answer any more", src)
	}
	return fmt.Sprintf("reading from %v: %v", src, err)
}

// reason is an error in plain words that still is what caused it.
type reason struct {
	text  string
	cause error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.cause }

package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func boolean(n *node) (bool, error) {
	if n.kind != kindBool {
		return false, fmt.Errorf("%s is neither true nor false; write one of them, without quotes", n.show())
	}
	return n.text == "true", nil
}

// not reads the opposite of a key's value.
func not(parse func(*node) (bool, error)) func(*node) (bool, error) {
	return func(n *node) (bool, error) {
		v, err := parse(n)
		return !v, err
	}
}

func text(n *node) (string, error) {
	if n.kind != kindText {
		return "", fmt.Errorf("%s is not text; write it in quotes", n.show())
	}
	return n.text, nil
}

// whole returns a parser of whole numbers from least to most. why is what a
// number outside runs into.
func whole[T uint8 | uint16 | uint32 | int](least, most int64, why string) func(*node) (T, error) {
	return func(n *node) (T, error) {
		if n.kind != kindWhole {
			return 0, fmt.Errorf("%s is not a whole number; write one from %d to %d, without quotes", n.show(), least, most)
		}
		v, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil || v < least || v > most {
			return 0, fmt.Errorf("%s is out of range%s; write a number from %d to %d", n.text, why, least, most)
		}
		return T(v), nil
	}
}

// size returns a parser of sizes from least to most bytes: a number, or one with a
// unit.
func size(least, most int64) func(*node) (int, error) {
	return func(n *node) (int, error) {
		number, unit := n.text, int64(1)
		if n.kind == kindText {
			for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
				if digits, has := strings.CutSuffix(n.text, suffix); has {
					number, unit = strings.TrimSpace(digits), bytes
				}
			}
		}
		v, err := strconv.ParseInt(number, 10, 64)
		switch {
		case n.kind != kindWhole && unit == 1, err != nil:
			return 0, fmt.Errorf(`%s is no size; write bytes, such as %d, or "%d MiB" in quotes`, n.show(), least, least>>20)
		case v < least/unit || v > most/unit || v*unit < least:
			return 0, fmt.Errorf(`%s is out of range; write "%d MiB" to "%d MiB"`, n.text, least>>20, most>>20)
		}
		return int(v * unit), nil
	}
}

func pointer[T any](parse func(*node) (T, error)) func(*node) (*T, error) {
	return func(n *node) (*T, error) {
		v, err := parse(n)
		return &v, err
	}
}

// duration returns a parser of durations from least to most.
func duration(least, most time.Duration) func(*node) (time.Duration, error) {
	return func(n *node) (time.Duration, error) {
		d, err := time.ParseDuration(n.text)
		if n.kind != kindText || err != nil {
			return 0, fmt.Errorf(`%s is not a duration; write a number with its unit in quotes, such as "90s", "5m" or "1h"`, n.show())
		}
		if d < least || d > most {
			return 0, fmt.Errorf("%s is out of range; write a duration from %v to %v", n.text, least, most)
		}
		return d, nil
	}
}

func onExit(n *node) (vrf.OnExit, error) {
	switch {
	case n.kind == kindText && n.text == "keep":
		return vrf.Keep, nil
	case n.kind == kindText && n.text == "remove":
		return vrf.Remove, nil
	}
	return 0, fmt.Errorf(`%s is neither "keep" nor "remove"; write one of them`, n.show())
}

func advertise(n *node) (installed bool, err error) {
	switch {
	case n.kind == kindText && n.text == "always":
		return false, nil
	case n.kind == kindText && n.text == "installed":
		return true, nil
	}
	return false, fmt.Errorf(`%s is neither "always" nor "installed"; write one of them`, n.show())
}

// Tables with a meaning of their own: include/uapi/linux/rtnetlink.h.
const (
	tableUnspec  = 0
	tableDefault = 253
	tableMain    = 254
	tableLocal   = 255
)

func table(n *node) (uint32, error) {
	const write = "write a table from 1 to 252 or above 255"
	if n.kind != kindWhole {
		return 0, fmt.Errorf("%s is not a table number; %s, without quotes", n.show(), write)
	}
	v, err := strconv.ParseInt(n.text, 10, 64)
	switch {
	case err != nil || v < 0 || v > math.MaxUint32:
		return 0, fmt.Errorf("%s is out of range; %s and below 2^32", n.text, write)
	case v == tableUnspec:
		return 0, fmt.Errorf("0 is reserved for no table at all; %s", write)
	case v == tableDefault:
		return 0, fmt.Errorf("253 is reserved for the table named default; %s", write)
	case v == tableMain:
		return 0, fmt.Errorf("254 is reserved for the main table; leave the key out to use main, or %s", write)
	case v == tableLocal:
		return 0, fmt.Errorf("255 is reserved for the local table; %s", write)
	}
	return uint32(v), nil
}

// namespace reads the name of a namespace below /run/netns, or an absolute path
// to one. Whether that is a namespace is decided when it is opened.
func namespace(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	const write = `write a name as "ip netns" lists it, or an absolute path`
	longest := 255
	if strings.HasPrefix(s, "/") {
		longest = 4095
	}
	switch {
	case s == "":
		return "", errors.New("is empty; " + write + ", or leave the key out for the daemon's own namespace")
	case len(s) > longest:
		return "", fmt.Errorf("is %d bytes long; %s of at most %d", len(s), write, longest)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", fmt.Errorf("%s has a control character; %s", n.show(), write)
	case strings.HasPrefix(s, "/"):
		if path.Clean(s) != s {
			return "", fmt.Errorf("%s takes a detour; write %q", n.show(), path.Clean(s))
		}
	case strings.Contains(s, "/") || s == "." || s == "..":
		return "", fmt.Errorf("%s is not the name of a namespace; %s", n.show(), write)
	}
	return s, nil
}

func device(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	return s, deviceName(s)
}

// deviceName holds a name against the kernel's rule (net/core/dev.c,
// dev_valid_name).
func deviceName(s string) error {
	const longest = 15
	switch {
	case s == "":
		return errors.New("is empty; write the name of a VRF device")
	case len(s) > longest:
		return fmt.Errorf("%q is not an interface name: it is %d bytes long; write one of at most %d", s, len(s), longest)
	case s == "." || s == ".." || strings.ContainsAny(s, "/:") || strings.ContainsFunc(s, unicode.IsSpace) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q is not an interface name; write one without white space, '/' and ':'", s)
	}
	return nil
}

func glob(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	return s, checkGlob(s)
}

func checkGlob(s string) error {
	if s == "" {
		return errors.New(`is empty; write the name of an interface, or a pattern such as "eth*"`)
	}
	if _, err := path.Match(s, ""); err != nil {
		return fmt.Errorf(`%q is not a pattern; write an interface name with *, ? or a closed [a-z], such as "eth[0-3]"`, s)
	}
	if strings.Contains(s, "/") || strings.ContainsFunc(s, unicode.IsSpace) {
		return fmt.Errorf("%q matches no interface: no name has white space or '/'; write each pattern as a value of its own", s)
	}
	return nil
}

// word takes a value that may be written as text or as a number.
func word(n *node) (string, bool) {
	return n.text, n.kind == kindText || n.kind == kindWhole
}

// spelled returns a parser of what rib reads from text, with rib's own words
// for what is wrong.
func spelled[T any](what string, parse func(string) (T, error)) func(*node) (T, error) {
	return func(n *node) (T, error) {
		if s, ok := word(n); ok {
			return parse(s)
		}
		var zero T
		return zero, fmt.Errorf("%s is not a %s; write it in quotes", n.show(), what)
	}
}

var (
	community      = spelled("community", rib.ParseCommunity)
	largeCommunity = spelled("large community", rib.ParseLargeCommunity)
	protocol       = spelled("route protocol", rib.ParseProtocol)
)

// routeTarget also puts n into the spelling that GoBGP reads right.
func routeTarget(n *node) (rib.RT, error) {
	rt, err := spelled("route target", rib.ParseRT)(n)
	if err == nil {
		n.kind, n.text = kindText, rt.Dotted()
	}
	return rt, err
}

// distinguisher also puts n into the spelling that GoBGP reads right.
func distinguisher(n *node) (rib.RD, error) {
	rd, err := spelled("route distinguisher", rib.ParseRD)(n)
	switch {
	case err != nil:
		return 0, err
	case rd == 0:
		return 0, errors.New(`"0:0" stands for the global routing table; write an RD of the VRF's own, such as "65000:10"`)
	}
	n.kind, n.text = kindText, rd.Dotted()
	return rd, nil
}

// source reads a preferred source address of exported routes.
func source(n *node) (netip.Addr, error) {
	a, err := netip.ParseAddr(n.text)
	if n.kind != kindText || err != nil || a.Zone() != "" {
		return a, fmt.Errorf(`%s is not an address; write one such as "192.0.2.1" or "2001:db8::1"`, n.show())
	}
	if a = a.Unmap(); a.IsUnspecified() || a.IsMulticast() {
		return a, fmt.Errorf("%s cannot be a source; write an address of the VRF", n.show())
	}
	return a, nil
}

// metricsListen reads where metrics are served. They can be read by whoever
// reaches the address, and change nothing: one without a host is for this host,
// and another is taken as it is written.
func metricsListen(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(s)
	number, bad := strconv.ParseUint(port, 10, 16)
	_, odd := netip.ParseAddr(host)
	if err != nil || bad != nil || number == 0 || host != "" && host != "localhost" && odd != nil {
		return "", fmt.Errorf(`%s is no address and port; write "127.0.0.1:9179", or for other hosts the address that they reach`, n.show())
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// hostName reads a name that the status page may be asked for by. A port does
// not belong to it, and an address needs none.
func hostName(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	if name == "" || len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) {
		return "", fmt.Errorf(`%s is not the name of a host; write one such as "router1.example.net", without a port`, n.show())
	}
	return name, nil
}

// asNumber reads an AS. GoBGP takes digits in quotes too.
func asNumber(n *node) (uint32, error) {
	s, ok := word(n)
	v, err := strconv.ParseUint(s, 10, 32)
	switch {
	case !ok || err != nil:
		return 0, fmt.Errorf("%s is not an AS number; write one from 1 to 4294967294", n.show())
	case v == 0 || v == 23456 || v == math.MaxUint32:
		// RFC 7607, RFC 6793, RFC 7300. AS 65535, the last one of 16 bits, is noted: gobgpd takes it.
		return 0, fmt.Errorf("AS %d is reserved; write the AS number you were given, or a private one such as 64512", v)
	}
	return uint32(v), nil
}

func routerID(n *node) (netip.Addr, error) {
	a, err := netip.ParseAddr(n.text)
	if n.kind != kindText || err != nil || !a.Is4() || a.IsUnspecified() {
		return a, fmt.Errorf(`%s is not a router id; write an IPv4 address, such as "192.0.2.1"`, n.show())
	}
	return a, nil
}

// secret reads the key of an MD5-signed session (RFC 2385).
func secret(n *node) (string, error) {
	const longest = 80 // TCP_MD5SIG_MAXKEYLEN of include/uapi/linux/tcp.h
	if n.kind != kindText {
		return "", errors.New("is not text; write the secret in quotes")
	}
	if len(n.text) > longest {
		return "", fmt.Errorf("is %d bytes long; the kernel takes at most %d, write a shorter secret", len(n.text), longest)
	}
	return n.text, nil
}

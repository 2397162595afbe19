package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/vrf"
)

// API says where the gRPC services listen, and who may call them.
type API struct {
	// Listen holds addresses: unix:///absolute/path, or host:port, of which the
	// host is a loopback one where there is no TLS.
	Listen []string
	// SocketGroup is the gid that owns the unix sockets; nil: the process's.
	SocketGroup *int
	TLS         *TLS // of TCP addresses; nil: none
	Policy      access.Policy
	Limits      access.Limits
}

// TLS holds what the files of [netlink.api.tls] held, in PEM. They were parsed,
// and fit together.
type TLS struct {
	Certificate, Key []byte
	ClientCA         []byte // the authorities that vouch for clients
}

var apiKeys = keys[API]{
	"listen":       many(listen, func(a *API) *[]string { return &a.Listen }),
	"socket-group": one(socketGroup, func(a *API) **int { return &a.SocketGroup }),
}

var limitKeys = keys[access.Limits]{
	"connections":          one(whole[int](1, 65536, ""), func(l *access.Limits) *int { return &l.Connections }),
	"connections-per-user": one(whole[int](1, 65536, ""), func(l *access.Limits) *int { return &l.ConnectionsPerUser }),
	"calls":                one(whole[int](1, 65536, ""), func(l *access.Limits) *int { return &l.Calls }),
	"streams-per-user":     one(whole[int](1, 65536, ""), func(l *access.Limits) *int { return &l.StreamsPerUser }),
	"message-size":         one(whole[int](1<<20, 1<<30, ""), func(l *access.Limits) *int { return &l.MessageSize }),
	"memory":               one(size(32<<20, 1<<40), func(l *access.Limits) *int { return &l.Memory }),
	"memory-per-user":      one(size(8<<20, 1<<40), func(l *access.Limits) *int { return &l.MemoryPerUser }),
	"handshake-timeout":    one(duration(time.Second, time.Hour), func(l *access.Limits) *time.Duration { return &l.Handshake }),
	"request-timeout":      one(duration(time.Second, time.Hour), func(l *access.Limits) *time.Duration { return &l.Request }),
}

var roleKeys = keys[access.Entry]{
	"role":         one(role, func(e *access.Entry) *access.Role { return &e.Role }),
	"users":        many(userID, func(e *access.Entry) *[]uint32 { return &e.UIDs }),
	"groups":       many(groupID, func(e *access.Entry) *[]uint32 { return &e.GIDs }),
	"certificates": many(certificateName, func(e *access.Entry) *[]string { return &e.Names }),
	"loopback":     one(boolean, func(e *access.Entry) *bool { return &e.Loopback }),
}

// tlsFiles are the files of [netlink.api.tls].
type tlsFiles struct{ certificate, key, clientCA []byte }

var tlsKeys = keys[tlsFiles]{
	"certificate": pemFile(0, func(f *tlsFiles) *[]byte { return &f.certificate }),
	"key":         pemFile(0o004, func(f *tlsFiles) *[]byte { return &f.key }),
	"client-ca":   pemFile(0, func(f *tlsFiles) *[]byte { return &f.clientCA }),
}

func apiSchema() schema {
	return apiKeys.schema(schema{
		"tls":    tlsKeys.schema(nil),
		"limits": limitKeys.schema(nil),
		"roles":  []any{roleKeys.schema(nil)},
	})
}

// readAPI reads [netlink.api]; vrfs are the VRFs of the file.
func readAPI(p *problems, n *node, vrfs []string) API {
	a := API{Limits: access.DefaultLimits()}
	read(p, n, apiKeys, &a)
	readLimits(p, n.get("limits"), &a.Limits)
	readListen(p, n, &a)
	a.TLS = readTLS(p, n.get("tls"))
	secured := present(n.get("tls"))
	readRoles(p, n.get("roles"), vrfs, secured, &a)
	if list := n.get("listen"); list != nil && !secured {
		for _, item := range list.items {
			if slices.Contains(a.Listen, item.text) && !Local(item.text) {
				p.at(item, "%s can be reached from other hosts, which needs mutual TLS; configure [netlink.api.tls], or %s", item.show(), writeListen)
			}
		}
	}
	if t := n.get("tls"); secured && !slices.ContainsFunc(a.Policy.Entries, func(e access.Entry) bool { return len(e.Names) > 0 }) {
		p.at(t, `is of no use while nobody has a role by certificate; add [[netlink.api.roles]] with a role and certificates = ["NAME"]`)
	}
	return a
}

// readLimits reads [netlink.api.limits]. Where the file does not say how much memory
// there is, it follows from the size of a request.
func readLimits(p *problems, n *node, l *access.Limits) {
	read(p, n, limitKeys, l)
	if at := n.get("calls"); at != nil && n.get("streams-per-user") == nil && l.Calls > l.StreamsPerUser {
		p.note(at, "is for one connection; on all of its connections together a caller other than root has %d. Write streams_per_user where one needs more", l.StreamsPerUser)
	}
	most := 2 * l.MessageSize // a request is read while another is worked on
	switch at := n.get("memory-per-user"); {
	case at == nil:
		l.MemoryPerUser = max(l.MemoryPerUser, most)
	case l.MemoryPerUser < most:
		p.at(at, "%d bytes are less than two requests may have (message_size, %d); write %d or more", l.MemoryPerUser, l.MessageSize, most)
	}
	switch at := n.get("memory"); {
	case at == nil:
		l.Memory = max(l.Memory, 2*l.MemoryPerUser)
	case l.Memory < l.MemoryPerUser:
		p.at(at, "%d bytes for all are less than those for one (memory_per_user, %d); write as many or more", l.Memory, l.MemoryPerUser)
	}
}

func readListen(p *problems, n *node, a *API) {
	if list := n.get("listen"); list != nil && list.kind == kindList && len(list.items) == 0 {
		p.at(list, "is empty; write an address, or leave the key out for %s", defaultListen)
	}
	seen := make(map[string]bool)
	for _, address := range a.Listen {
		if seen[address] {
			p.at(n.get("listen"), "%q is listed twice; remove one", address)
		}
		seen[address] = true
	}
	if len(a.Listen) == 0 {
		a.Listen = []string{defaultListen}
	}
}

// readRoles reads [[netlink.api.roles]]. An empty list would give everyone every
// role, and is refused.
func readRoles(p *problems, n *node, vrfs []string, secured bool, a *API) {
	if n != nil && n.kind == kindList && len(n.items) == 0 {
		p.at(n, `is empty; give roles to somebody, or remove the key, which lets everyone who gets in do everything`)
	}
	for _, item := range sections(n) {
		var e access.Entry
		read(p, item, roleKeys, &e)
		at := item.get("role")
		switch name, ofVRF := e.Role.VRF(); {
		case at == nil:
			p.add(item.line, join(item.path, "role"), `is missing; write "admin", "read", "provision", or "vrf:" and the name of a VRF`)
		case !ofVRF || e.Role.Pattern() || slices.Contains(vrfs, name):
		case slices.ContainsFunc(vrfs, func(v string) bool { return strings.HasPrefix(name, v+"/") }):
			p.at(at, "there is no VRF %q; write the VRF whose secondary table that is, whose role covers both", name)
		default:
			p.hint(at, "", "there is no VRF %q in the file: the role is of use once a client of the API makes it (ApplyVrf, `vrfredist vrf add`); else %s", name, suggest(name, vrfs, "add it under [[vrfs]]"))
		}
		if names := item.get("certificates"); names != nil && !secured {
			p.at(names, "needs TLS, which alone knows names of clients; configure [netlink.api.tls], or remove the key")
		}
		if e.Loopback && secured {
			p.at(item.get("loopback"), "is of no use with [netlink.api.tls], which every TCP client needs then; remove one of them")
		}
		if !slices.ContainsFunc([]string{"users", "groups", "certificates", "loopback"}, func(key string) bool { return item.get(key) != nil }) {
			p.at(item, "gives the role to nobody; add users, groups, certificates or loopback")
		}
		a.Policy.Entries = append(a.Policy.Entries, e)
	}
}

// withSecondary gives who has the role of a VRF those of its secondary tables, which
// the API calls by names of their own.
func withSecondary(policy *access.Policy, specs []vrf.Spec) {
	for _, e := range policy.Entries {
		for _, s := range specs {
			if s.VRF != "" && e.Role.Covers(s.VRF) {
				further := e
				further.Role = access.OfVRF(s.Name)
				policy.Entries = append(policy.Entries, further)
			}
		}
	}
}

// readTLS reads [netlink.api.tls], and holds its files against each other.
func readTLS(p *problems, n *node) *TLS {
	if !present(n) {
		return nil
	}
	var f tlsFiles
	read(p, n, tlsKeys, &f)
	for key, write := range map[string]string{
		"certificate": "name the file of the server's certificate, in PEM, with those between it and its CA behind it",
		"key":         "name the file of the certificate's key, in PEM",
		"client_ca":   "name the file of the CAs, in PEM, that vouch for clients",
	} {
		if n.get(canonical(key)) == nil {
			p.add(n.line, join(n.path, key), "is missing; %s", write)
		}
	}
	if f.certificate != nil && f.key != nil {
		pair, err := tls.X509KeyPair(f.certificate, f.key)
		switch at := n.get("certificate"); {
		case err != nil:
			p.at(at, "and the key do not make a pair: %v; name a certificate in PEM and the key that it was made for", err)
		case time.Now().After(pair.Leaf.NotAfter):
			p.at(at, "ran out on %s; renew the certificate", pair.Leaf.NotAfter.Format(time.RFC3339))
		}
	}
	if f.clientCA != nil && !x509.NewCertPool().AppendCertsFromPEM(f.clientCA) {
		p.at(n.get("client-ca"), "holds no certificate in PEM; name the file of the CA that vouches for clients")
	}
	return &TLS{f.certificate, f.key, f.clientCA}
}

// pemFile reads a key that names a file. Its mode may have none of the bits of
// closed.
func pemFile(closed os.FileMode, field func(*tlsFiles) *[]byte) func(*problems, *node, *tlsFiles) {
	return func(p *problems, n *node, f *tlsFiles) {
		path, err := text(n)
		if err == nil && !filepath.IsAbs(path) {
			err = fmt.Errorf("%s is no absolute path; write one", n.show())
		}
		if err != nil {
			p.at(n, "%v", err)
			return
		}
		data, mode, err := readFile(path, mostPEM)
		switch {
		case err != nil:
			p.at(n, "%v; name a file that vrfredist may read", err)
		case mode&closed != 0:
			p.at(n, "every user can read %s (mode %04o), and it holds a secret; run: chmod 0640 %s", path, mode.Perm(), path)
		default:
			*field(f) = data
		}
	}
}

const writeListen = `write "unix:///run/vrfredist/vrfredist.sock" or "127.0.0.1:50051"`

// listen reads an address of the API.
func listen(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	if file, ok := strings.CutPrefix(s, "unix://"); ok {
		const longest = 107 // sun_path holds one byte more, a zero
		if !strings.HasPrefix(file, "/") || len(file) > longest || strings.ContainsFunc(file, unicode.IsControl) {
			return "", fmt.Errorf("%s is not a socket with an absolute path of at most %d bytes; %s", n.show(), longest, writeListen)
		}
		return s, nil
	}
	host, port, err := net.SplitHostPort(s)
	if number, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || number == 0 {
		return "", fmt.Errorf("%s is not an address to listen on; %s", n.show(), writeListen)
	}
	if _, err := netip.ParseAddr(host); host != "" && host != "localhost" && err != nil {
		return "", fmt.Errorf("%s has no address before its port; %s", n.show(), writeListen)
	}
	return s, nil
}

// Local tells whether an address of the API can be reached from this host alone.
func Local(address string) bool {
	if strings.HasPrefix(address, "unix://") {
		return true
	}
	host, _, _ := net.SplitHostPort(address)
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func role(n *node) (access.Role, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	return access.ParseRole(s)
}

func certificateName(n *node) (string, error) {
	s, err := text(n)
	if err == nil && s == "" {
		err = errors.New("is empty; write the common name of a certificate, or one of its subjectAltNames")
	}
	return s, err
}

func userID(n *node) (uint32, error) {
	id, err := number(n, "user", func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err == nil && id == 0 {
		err = errors.New("root has the role admin always; remove it")
	}
	return id, err
}

func groupID(n *node) (uint32, error) {
	return number(n, "group", func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func socketGroup(n *node) (*int, error) {
	id, err := groupID(n)
	gid := int(id)
	return &gid, err
}

// number reads a user or a group: a name that this host knows, or a number.
func number(n *node, what string, lookup func(string) (string, error)) (uint32, error) {
	s, ok := word(n)
	if !ok || s == "" {
		return 0, fmt.Errorf("%s is no %s; write its name in quotes, or its number", n.show(), what)
	}
	digits := s
	if n.kind == kindText && strings.Trim(s, "0123456789") != "" {
		id, err := lookup(s)
		if err != nil {
			return 0, fmt.Errorf("%s is no %s of this host; make it, or write the number of one that another host knows", n.show(), what)
		}
		digits = id
	}
	id, err := strconv.ParseUint(digits, 10, 32)
	switch {
	case err != nil || id == math.MaxUint32: // (uid_t)-1 stands for no user
		return 0, fmt.Errorf("%s is no %s; write a number from 0 to %d", n.show(), what, uint32(math.MaxUint32-1))
	case id == access.Overflow:
		return 0, fmt.Errorf("%s stands for every %s that the kernel has no number for (%d); name one of its own", n.show(), what, access.Overflow)
	}
	return uint32(id), nil
}

const defaultListen = "unix:///run/vrfredist/vrfredist.sock"

package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/integration/pki"
)

// apiHead is a file with the VRF a; what follows is on line 11.
const apiHead = `[global.config]
as = 65000
router-id = "192.0.2.1"

[[vrfs]]
[vrfs.config]
name = "tenant-a"
rd = "65000:1"
both-rt-list = ["65000:1"]

`

func tlsSection(certificate, key, ca string) string {
	return fmt.Sprintf("[netlink.api.tls]\ncertificate = %q\nkey = %q\nclient_ca = %q\n", certificate, key, ca)
}

// TestCallsAreNoted where the file gives a connection more than its caller has now.
func TestCallsAreNoted(t *testing.T) {
	for text, want := range map[string]int{"": 0, "calls = 32": 0, "calls = 33": 1, "calls = 33\nstreams_per_user = 32": 0} {
		notes := mustParse(t, "f.toml", apiHead+"[netlink.api.limits]\n"+text).Notes
		if len(notes) != want || want > 0 && (notes[0].Line != 12 || !strings.Contains(notes[0].Message, "streams_per_user")) {
			t.Errorf("%q: %v, want %d", text, notes, want)
		}
	}
}

// TestMemoryFollowsTheLargestRequest where the file says nothing of it.
func TestMemoryFollowsTheLargestRequest(t *testing.T) {
	for text, want := range map[string][2]int{
		"":                          {256 << 20, 32 << 20},
		"message_size = 1048576":    {256 << 20, 32 << 20},
		"message_size = 268435456":  {1 << 30, 512 << 20},
		`memory_per_user = "1 GiB"`: {2 << 30, 1 << 30},
	} {
		l := mustParse(t, "f.toml", apiHead+"[netlink.api.limits]\n"+text).API.Limits
		if got := [2]int{l.Memory, l.MemoryPerUser}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestAPI(t *testing.T) {
	certificate, key := pki.Files(t, t.TempDir(), "server", pki.New(t).Issue(t, time.Now().Add(time.Hour), "server"))
	text := apiHead + `[netlink.api]
listen = ["unix:///run/a.sock", "0.0.0.0:50051"]
socket_group = "31000"
` + tlsSection(certificate, key, certificate) + `[netlink.api.limits]
connections = 9
connections_per_user = 8
calls = 7
streams_per_user = 6
message_size = 1048576
memory = "64 MiB"
memory_per_user = 8388608
handshake_timeout = "5s"
request_timeout = "3s"
[[netlink.api.roles]]
role = "vrf:tenant-a"
users = ["31001", 31002]
groups = ["root"]
certificates = ["noc.tenant-a.example"]
[[netlink.api.roles]]
role = "read"
groups = [31003]
`
	c := mustParse(t, "f.toml", text)
	group := 31000
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	want := API{
		Listen: []string{"unix:///run/a.sock", "0.0.0.0:50051"}, SocketGroup: &group,
		TLS: &TLS{Certificate: read(certificate), Key: read(key), ClientCA: read(certificate)},
		Policy: access.Policy{Entries: []access.Entry{
			{Role: "vrf:tenant-a", UIDs: []uint32{31001, 31002}, GIDs: []uint32{0}, Names: []string{"noc.tenant-a.example"}},
			{Role: "read", GIDs: []uint32{31003}},
		}},
		Limits: access.Limits{
			Connections: 9, ConnectionsPerUser: 8, StreamsPerUser: 6, Calls: 7, MessageSize: 1 << 20,
			Memory: 64 << 20, MemoryPerUser: 8 << 20, Handshake: 5 * time.Second, Request: 3 * time.Second,
		},
	}
	if diff := cmp.Diff(want, c.API); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsOfRoles(t *testing.T) {
	roles := func(s string) string { return apiHead + "[[netlink.api.roles]]\n" + s }
	for text, want := range map[string]string{
		roles("users = [7]"):                                                                `f.toml:11: netlink.api.roles[0].role: is missing; write "admin", "read", "provision", or "vrf:" and the name of a VRF`,
		roles("role = \"root\"\nusers = [7]"):                                               `f.toml:12: netlink.api.roles[0].role: "root" is no role; write "admin", "read", "provision", or "vrf:" and the name of a VRF`,
		roles("role = \"vrf:\"\nusers = [7]"):                                               `"vrf:" names no VRF`,
		roles("role = \"read\""):                                                            `f.toml:11: netlink.api.roles[0]: gives the role to nobody; add users, groups, certificates or loopback`,
		roles("role = \"read\"\nusers = [\"nobody-at-all\"]"):                               `f.toml:13: netlink.api.roles[0].users[0]: "nobody-at-all" is no user of this host`,
		roles("role = \"read\"\ngroups = [\"no-group\"]"):                                   `netlink.api.roles[0].groups[0]: "no-group" is no group of this host`,
		roles("role = \"read\"\nusers = [\"root\"]"):                                        `root has the role admin always; remove it`,
		roles("role = \"read\"\nusers = [65534]"):                                           `65534 stands for every user that the kernel has no number for`,
		roles("role = \"read\"\ngroups = [4294967295]"):                                     `4294967295 is no group; write a number from 0 to 4294967294`,
		roles("role = \"read\"\nusers = [-1]"):                                              `-1 is no user`,
		roles("role = \"read\"\nusers = [\"\"]"):                                            `"" is no user`,
		roles("role = \"read\"\ncertificates = [\"a\"]"):                                    `f.toml:13: netlink.api.roles[0].certificates: needs TLS`,
		roles("role = \"read\"\nuser = [7]"):                                                `unknown key; did you mean users?`,
		apiHead + "[netlink.api]\nroles = []":                                               `f.toml:12: netlink.api.roles: is empty; give roles to somebody`,
		apiHead + "[netlink.api]\nlisten = [\"example.org:1\"]":                             `"example.org:1" has no address before its port`,
		apiHead + "[netlink.api.limits]\nconnections = 0":                                   `0 is out of range; write a number from 1 to 65536`,
		apiHead + "[netlink.api.limits]\nmessage_size = 1000":                               `1000 is out of range; write a number from 1048576`,
		apiHead + "[netlink.api.limits]\nstreams_per_user = 0":                              `0 is out of range; write a number from 1 to 65536`,
		apiHead + "[netlink.api.limits]\nmemory = \"much\"":                                 `"much" is no size; write bytes, such as 33554432, or "32 MiB" in quotes`,
		apiHead + "[netlink.api.limits]\nmemory = \"3 MiB\"":                                `3 MiB is out of range; write "32 MiB" to "1048576 MiB"`,
		apiHead + "[netlink.api.limits]\nmemory_per_user = \"9TiB\"":                        `"9TiB" is no size`,
		apiHead + "[netlink.api.limits]\nmessage_size = 8388608\nmemory_per_user = 8388608": `8388608 bytes are less than two requests may have (message_size, 8388608); write 16777216 or more`,
		apiHead + "[netlink.api.limits]\nmemory = \"32 MiB\"\nmemory_per_user = 33554433":   `33554432 bytes for all are less than those for one (memory_per_user, 33554433)`,
		apiHead + "[netlink.api.limits]\nrequest_timeout = 10":                              `10 is not a duration`,
		apiHead + "[netlink.api.limits]\nhandshake_timeout = \"10ms\"":                      `10ms is out of range; write a duration from 1s`,
	} {
		wantError(t, text, want)
	}
}

func wantError(t *testing.T, text, want string) {
	t.Helper()
	if _, err := Parse("f.toml", []byte(text), fakeBGP()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%q:\n%v\nwant %s", text, err, want)
	}
}

func TestErrorsOfTLS(t *testing.T) {
	dir := t.TempDir()
	ca, now := pki.New(t), time.Now()
	certificate, key := pki.Files(t, dir, "server", ca.Issue(t, now.Add(time.Hour), "server"))
	old, oldKey := pki.Files(t, dir, "old", ca.Issue(t, now.Add(-time.Hour), "old"))
	open, openKey := pki.Files(t, dir, "open", ca.Issue(t, now.Add(time.Hour), "open"))
	if err := os.Chmod(openKey, 0o644); err != nil {
		t.Fatal(err)
	}
	roles := "[[netlink.api.roles]]\nrole = \"admin\"\ncertificates = [\"ops\"]\n"
	for text, want := range map[string]string{
		tlsSection(certificate, key, certificate):                               `f.toml:11: netlink.api.tls: is of no use while nobody has a role by certificate`,
		tlsSection(certificate, oldKey, certificate) + roles:                    `f.toml:12: netlink.api.tls.certificate: and the key do not make a pair`,
		tlsSection(old, oldKey, certificate) + roles:                            `f.toml:12: netlink.api.tls.certificate: ran out on`,
		tlsSection(open, openKey, certificate) + roles:                          `f.toml:13: netlink.api.tls.key: every user can read ` + openKey + ` (mode 0644), and it holds a secret; run: chmod 0640`,
		tlsSection(certificate, key, key) + roles:                               `f.toml:14: netlink.api.tls.client_ca: holds no certificate in PEM`,
		tlsSection(certificate, key, dir+"/none") + roles:                       `netlink.api.tls.client_ca: stat ` + dir + `/none: no such file or directory; name a file that vrfredist may read`,
		tlsSection(certificate, key, "/dev/zero") + roles:                       `/dev/zero is no plain file`,
		tlsSection(certificate, key, "ca.pem") + roles:                          `"ca.pem" is no absolute path`,
		"[netlink.api.tls]\ncertificate = \"" + certificate + "\"\n":            `f.toml:11: netlink.api.tls.client_ca: is missing`,
		tlsSection(certificate, key, certificate) + roles + "loopback = true\n": `loopback: is of no use with [netlink.api.tls]`,
	} {
		wantError(t, apiHead+text, want)
	}
}

// TestRoleOfAVRFThatMayCome: the role of a VRF that the file does not have is none's mistake where a
// client of the API makes that VRF.
func TestRoleOfAVRFThatMayCome(t *testing.T) {
	t.Parallel()
	text := head + "[[netlink.api.roles]]\nrole = \"vrf:tenant-b\"\nusers = [7]\n"
	c, err := Parse("f.toml", []byte(text), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	if said := c.Notes.Error(); !strings.Contains(said, `there is no VRF "tenant-b" in the file: the role is of use once a client of the API makes it`) {
		t.Errorf("it notes %s", said)
	}
	if len(c.API.Policy.Entries) != 1 {
		t.Errorf("the role is lost: %+v", c.API.Policy)
	}
	made := over("tenant-b", `{"name":"tenant-b","rd":"65000:77"}`)
	if c, err = ParseUnder("f.toml", []byte(text), made, fakeBGP()); err != nil || strings.Contains(c.Notes.Error(), "tenant-b") {
		t.Errorf("with that VRF: %v, %v", err, c.Notes)
	}
}

package access

import (
	"strings"
	"testing"
)

func TestParseRole(t *testing.T) {
	for _, text := range []string{"admin", "read", "vrf:a", "vrf:a:b"} {
		if r, err := ParseRole(text); err != nil || string(r) != text {
			t.Errorf("%s: %v, %v", text, r, err)
		}
	}
	for text, want := range map[string]string{"": `"" is no role`, "Admin": `"Admin" is no role`, "vrf:": "names no VRF", "vrf": "is no role", "root": "is no role"} {
		if _, err := ParseRole(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestPolicy(t *testing.T) {
	p := Policy{Entries: []Entry{
		{Role: Read, GIDs: []uint32{100, Overflow}},
		{Role: OfVRF("a"), UIDs: []uint32{7, Overflow}, Names: []string{"noc.a"}},
		{Role: OfVRF("b"), UIDs: []uint32{7}},
		{Role: Admin, Names: []string{"ops"}},
		{Role: OfVRF("c"), Loopback: true},
	}}
	for _, tc := range []struct {
		name   string
		caller Caller
		want   string
	}{
		{"the owner", Caller{Way: Socket, Owner: true}, "the role admin"},
		{"a user of two VRFs", Caller{Way: Socket, UID: 7}, "the roles vrf:a and vrf:b"},
		{"and of a group", Caller{Way: Socket, UID: 7, GIDs: []uint32{5, 100}}, "the roles read, vrf:a and vrf:b"},
		{"a stranger", Caller{Way: Socket, UID: 8, GIDs: []uint32{8}}, "no role"},
		{"a user that the kernel has no number for", Caller{Way: Socket, UID: Overflow, GIDs: []uint32{Overflow}}, "no role"},
		{"a certificate", Caller{Way: Certificate, Names: []string{"x", "ops"}}, "the role admin"},
		{"a certificate with a user's number", Caller{Way: Certificate, UID: 7, Names: []string{"7"}}, "no role"},
		{"a socket with a certificate's name", Caller{Way: Socket, UID: 9, Names: []string{"ops"}}, "no role"},
		{"loopback", Caller{Way: Loopback, UID: 7, Names: []string{"ops"}}, "the role vrf:c"},
		{"nobody", Caller{}, "no role"},
	} {
		if got := p.Grant(tc.caller); got.String() != tc.want {
			t.Errorf("%s has %s, want %s", tc.name, got, tc.want)
		}
	}
	if !(Policy{}).Grant(Caller{Way: Loopback}).Admin() {
		t.Error("without a policy not everyone is admin")
	}
}

func TestGrants(t *testing.T) {
	for role, want := range map[Role][5]bool{ // sees all, sees a, sees b, changes a, changes b
		Admin:      {true, true, true, true, true},
		Read:       {true, true, true, false, false},
		OfVRF("a"): {false, true, false, true, false},
		"":         {},
	} {
		g := NewGrant(role)
		if got := [5]bool{g.SeesAll(), g.Sees("a"), g.Sees("b"), g.Changes("a"), g.Changes("b")}; got != want {
			t.Errorf("%s: %v, want %v", role, got, want)
		}
	}
	if !NewGrant(Read, Admin, Read).Equal(NewGrant(Admin, Read)) || NewGrant(Read).Equal(NewGrant(Admin)) {
		t.Error("two grants are compared wrongly")
	}
}

// TestWithoutARule: a method that nobody thought of is nobody's.
func TestWithoutARule(t *testing.T) {
	for _, method := range []string{"/vrfredist.v1.Redistribution/New", "/grpc.reflection.v2.ServerReflection/ServerReflectionInfo", "", "/", "x"} {
		for _, role := range []Role{Admin, Read, OfVRF("a")} {
			if NewGrant(role).Enter(Caller{}, method) == nil || NewGrant(role).Ask(Caller{}, method, "a", "default") == nil {
				t.Errorf("%s is let into %q", role, method)
			}
		}
	}
}

// TestReflectionIsForWhoeverMayCallAnything, and for nobody else.
func TestReflectionIsForWhoeverMayCallAnything(t *testing.T) {
	const method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	for _, role := range []Role{Admin, Read, OfVRF("a")} {
		if g := NewGrant(role); g.Enter(Caller{}, method) != nil || g.Ask(Caller{}, method, "", "default") != nil {
			t.Errorf("%s is not let into reflection", role)
		}
	}
	if (Grant{}).Enter(Caller{}, method) == nil || (Grant{}).Ask(Caller{}, method, "", "default") == nil {
		t.Error("who has no role is let into reflection")
	}
}

// TestSmallRequests: only what an administrator alone may call takes large ones.
func TestSmallRequests(t *testing.T) {
	for method, want := range map[string]int{
		"/vrfredist.v1.Redistribution/EnableRedistribution": 64 << 10, "/grpc.health.v1.Health/Check": 64 << 10,
		"/vrfredist.v1.Redistribution/Plan": 4 << 20, "/apipb.GobgpApi/AddPathStream": 4 << 20, "x": 64 << 10,
	} {
		if got := MostOf(method, 4<<20); got != want {
			t.Errorf("%s takes %d bytes, want %d", method, got, want)
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	c := Caller{Way: Socket, UID: 7}
	a := NewGrant(OfVRF("a"))
	for want, err := range map[string]error{
		"uid 7 has no role; an administrator can give it one under [[netlink.api.roles]]":      Grant{}.Enter(c, "/vrfredist.v1.Redistribution/ListVrfs"),
		"uid 7 has the role vrf:a, and Reload needs the role admin":                            a.Enter(c, "/vrfredist.v1.Redistribution/Reload"),
		"uid 7 has the role read, which changes nothing: Resync needs":                         NewGrant(Read).Enter(c, "/vrfredist.v1.Redistribution/Resync"),
		`uid 7 has the role vrf:a, which does not cover the VRF that was asked for, "b"`:       a.Ask(c, "/vrfredist.v1.Redistribution/GetVrf", "b", "default"),
		`uid 7 has the role vrf:a, which does not cover the VRF that was asked for, "default"`: a.Ask(c, "/vrfredist.v1.Redistribution/GetVrf", "", "default"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := a.Ask(c, "/vrfredist.v1.Redistribution/WatchVrfs", "", "default"); err != nil {
		t.Errorf("to watch what it may see: %v", err)
	}
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/vrfredist/vrfredist/api/access"
)

// needs says by hand what each method of ours is to need; GoBGP's all need admin.
// A new method must be added here and in api/access.
var needs = map[string]string{
	"vrfredist.v1.Redistribution.EnableRedistribution":  "change one",
	"vrfredist.v1.Redistribution.DisableRedistribution": "change one",
	"vrfredist.v1.Redistribution.GetRedistribution":     "read one",
	"vrfredist.v1.Redistribution.ListVrfs":              "read all",
	"vrfredist.v1.Redistribution.GetVrf":                "read one",
	"vrfredist.v1.Redistribution.WatchVrfs":             "read all",
	"vrfredist.v1.Redistribution.ListRoutes":            "read one",
	"vrfredist.v1.Redistribution.ListNeighbors":         "read all",
	"vrfredist.v1.Redistribution.WatchNeighbors":        "read all",
	"vrfredist.v1.Redistribution.ListNeighborRoutes":    "read all",
	"vrfredist.v1.Redistribution.ResetNeighbor":         "change all",
	"vrfredist.v1.Redistribution.DisableNeighbor":       "change all",
	"vrfredist.v1.Redistribution.EnableNeighbor":        "change all",
	"vrfredist.v1.Redistribution.GetLogLevel":           "see",
	"vrfredist.v1.Redistribution.SetLogLevel":           "admin",
	"vrfredist.v1.Redistribution.ListPolicies":          "read all",
	"vrfredist.v1.Redistribution.GetPolicy":             "read all",
	"vrfredist.v1.Redistribution.GetConfig":             "read all",
	"vrfredist.v1.Redistribution.ExplainRoute":          "read one",
	"vrfredist.v1.Redistribution.Resync":                "change all",
	"vrfredist.v1.Redistribution.Diagnose":              "see",
	"vrfredist.v1.Redistribution.Plan":                  "admin",
	"vrfredist.v1.Redistribution.Reload":                "admin",
	"vrfredist.v1.Redistribution.Confirm":               "admin",
	"vrfredist.v1.Redistribution.ApplyVrf":              "change one",
	"vrfredist.v1.Redistribution.DeleteVrf":             "change one",
	"vrfredist.v1.Redistribution.ApplyNeighbor":         "change one",
	"vrfredist.v1.Redistribution.DeleteNeighbor":        "change one",
	"vrfredist.v1.Redistribution.ListApplied":           "read all",
	"vrfredist.v1.Redistribution.WatchAudit":            "see",
	"grpc.health.v1.Health.Check":                       "read all",
	"grpc.health.v1.Health.List":                        "read all",
	"grpc.health.v1.Health.Watch":                       "read all",

	"grpc.reflection.v1.ServerReflection.ServerReflectionInfo":      "any",
	"grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo": "any",
}

const (
	gobgp         = "apipb.GobgpApi"
	otlpCollector = "opentelemetry.proto.collector.trace.v1.TraceService"
)

// methods are those of every service that is linked into the program and served.
//
// A collector of traces is served elsewhere: the program calls it, and serves none.
func methods(t *testing.T) []protoreflect.MethodDescriptor {
	t.Helper()
	var all []protoreflect.MethodDescriptor
	found := make(map[string]bool)
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			if s.FullName() == otlpCollector {
				continue
			}
			found[string(s.FullName())] = true
			for j := range s.Methods().Len() {
				all = append(all, s.Methods().Get(j))
			}
		}
		return true
	})
	for _, s := range []string{gobgp, "vrfredist.v1.Redistribution", "grpc.health.v1.Health"} {
		if !found[s] {
			t.Fatalf("the service %s is not linked in", s)
		}
	}
	return all
}

func fullMethod(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
}

func TestEveryMethodHasARule(t *testing.T) {
	caller := access.Caller{Way: access.Socket, UID: 7}
	admin, read := access.NewGrant(access.Admin), access.NewGrant(access.Read)
	for _, m := range methods(t) {
		need, known := needs[string(m.FullName())]
		if m.Parent().FullName() == gobgp {
			need, known = "admin", true
		}
		if !known {
			t.Errorf("%s has no line in this test: say what it is to need", m.FullName())
		}
		for i := range m.Input().Fields().Len() {
			// The door judges by these two alone.
			f := m.Input().Fields().Get(i)
			if name := string(f.Name()); m.Parent().FullName() != gobgp && strings.Contains(name, "vrf") && (name != "vrf" || f.IsList()) {
				t.Errorf("%s names VRFs in %s, which the door does not look at: call it vrf, and one VRF", m.FullName(), name)
			}
		}
		if access.RuleOf(fullMethod(m)) == access.Denied {
			t.Errorf("%s has no rule in api/access: everyone is denied", m.FullName())
		}
		if err := admin.Enter(caller, fullMethod(m)); err != nil {
			t.Errorf("%s is denied to admin: %v", m.FullName(), err)
		}
		if got, want := read.Enter(caller, fullMethod(m)) == nil, strings.HasPrefix(need, "read") || need == "see" || need == "any"; got != want {
			t.Errorf("%s with the role read: let in %v, want %v", m.FullName(), got, want)
		}
	}
}

// rights are what a role is to be allowed.
type rights struct{ admin, sees, changes, alpha, bravo bool }

var roleRights = map[string]rights{
	"admin":     {admin: true, sees: true, changes: true, alpha: true, bravo: true},
	"read":      {sees: true},
	"vrf:alpha": {alpha: true},
	"vrf:bravo": {bravo: true},
	"none":      {},
}

// allowed tells what a call with a VRF is to come to; "" is no VRF.
func (r rights) allowed(need, vrf string) bool {
	one := r.sees && strings.HasPrefix(need, "read") || r.changes && strings.HasPrefix(need, "change") ||
		(vrf == "alpha" || vrf == further) && r.alpha || vrf == "bravo" && r.bravo
	switch {
	case r.admin:
		return true
	case need == "admin":
		return false
	case need == "see":
		return r.sees
	case need == "any":
		return r != rights{}
	case vrf == "" && strings.HasSuffix(need, "all"):
		return one || r.alpha || r.bravo
	}
	return one
}

// said is what a call came to.
type said struct {
	code codes.Code
	text string // everything: the answers, the error and its details
}

// try makes one call, and reads what comes within a moment.
func try(t *testing.T, conn *grpc.ClientConn, m protoreflect.MethodDescriptor, vrf string) said {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if strings.HasPrefix(string(m.Name()), "Watch") {
		time.AfterFunc(200*time.Millisecond, cancel)
	}
	request := dynamicpb.NewMessage(m.Input())
	set := func(field, value string) {
		f := m.Input().Fields().ByName(protoreflect.Name(field))
		if f != nil && f.Kind() == protoreflect.StringKind && value != "" {
			request.Set(f, protoreflect.ValueOfString(value))
		}
	}
	set("vrf", vrf)
	set("service", vrf)
	for section, field := range map[protoreflect.Name]protoreflect.Name{"vrf": "name", "neighbor": "vrf"} {
		if f := m.Input().Fields().ByName(section); f != nil && f.Kind() == protoreflect.MessageKind {
			of := request.Mutable(f).Message()
			of.Set(f.Message().Fields().ByName(field), protoreflect.ValueOfString(vrf))
		}
	}
	set("target", "172.16.0.0/16")
	if m.Name() == "GetPolicy" && vrf != "" {
		set("name", vrf+"/policy")
	}
	if f := m.Input().Fields().ByName("direction"); f != nil {
		request.Set(f, protoreflect.ValueOfEnum(2))
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, fullMethod(m))
	if err != nil {
		return saidBy(err, "")
	}
	if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
		return saidBy(err, "")
	}
	if err := stream.CloseSend(); err != nil {
		return saidBy(err, "")
	}
	var text strings.Builder
	for {
		reply := dynamicpb.NewMessage(m.Output())
		err := stream.RecvMsg(reply)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return said{codes.OK, text.String()}
		}
		if err != nil {
			return saidBy(err, text.String())
		}
		text.WriteString(prototext.Format(reply))
	}
}

func saidBy(err error, text string) said {
	st := status.Convert(err)
	return said{st.Code(), text + prototext.Format(st.Proto())}
}

// times are the numbers of a time in a message, which may look like anything.
var times = regexp.MustCompile(`\b(seconds|nanos):\s*-?\d+`)

// secrets are what may not reach whom.
var secrets = map[string][]string{
	"vrf:alpha": {"bravo", "198.51.100", "203.0.113.77", "65099"},
	"vrf:bravo": {"alpha", "10.1.0", "192.0.2.66", "65098"},
	"none":      {"alpha", "bravo", "198.51.100", "10.1.0", "203.0.113.77", "192.0.2.66"},
}

func TestEveryMethodAsEveryRole(t *testing.T) {
	all := methods(t)
	for _, way := range waysIn(t) {
		for role, may := range roleRights {
			t.Run(way.name+" "+role, func(t *testing.T) {
				t.Parallel()
				conn := way.dial(t, role)
				for _, m := range all {
					tryMethod(t, conn, m, role, may)
				}
			})
		}
	}
}

func tryMethod(t *testing.T, conn *grpc.ClientConn, m protoreflect.MethodDescriptor, role string, may rights) {
	need := needs[string(m.FullName())]
	if m.Parent().FullName() == gobgp {
		need = "admin"
		if may.admin && !slices.Contains([]protoreflect.Name{"GetBgp", "ListPeer", "ListVrf", "GetTable"}, m.Name()) {
			return // it would change the server
		}
	}
	answers := make(map[string]said)
	targets := []string{"", "alpha", further, "bravo", "charlie", "default"}
	if fields := m.Input().Fields(); fields.ByName("vrf") == nil && fields.ByName("neighbor") == nil && fields.ByName("service") == nil {
		targets = targets[:1]
	}
	for _, vrf := range targets {
		got := try(t, conn, m, vrf)
		asked := vrf
		if strings.HasSuffix(need, "one") && vrf == "" {
			asked = "default"
		}
		if denied := got.code == codes.PermissionDenied; denied == may.allowed(need, asked) {
			t.Errorf("%s of VRF %q: %v: %s", m.FullName(), vrf, got.code, got.text)
		}
		heard := got.text
		if vrf != "" { // what the caller said itself
			heard = strings.ReplaceAll(heard, vrf, "VRF")
		}
		answers[vrf] = said{got.code, heard}
		for _, secret := range secrets[role] {
			if strings.Contains(times.ReplaceAllString(heard, ""), secret) {
				t.Errorf("%s of VRF %q tells %q: %s", m.FullName(), vrf, secret, heard)
			}
		}
	}
	for _, vrf := range []string{"alpha", further, "bravo", "default"} {
		if !may.sees && !may.allowed("", vrf) && answers[vrf] != answers["charlie"] {
			t.Errorf("%s tells a VRF that is there from one that is not: %v, and %v", m.FullName(), answers[vrf], answers["charlie"])
		}
	}
}

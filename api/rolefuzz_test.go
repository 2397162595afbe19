package api

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// The VRFs of the test. Their names are in nothing else, so that they can be looked for in answers.
var (
	roleFileVRFs = []string{"qfile-one", "qfile-two"}
	roleMadeVRFs = []string{"qmade-one", "qmade-two", "qmade-three"}
)

// The callers of the test, by user id.
var roleCallers = []struct {
	uid   uint32
	roles []access.Role
}{
	{1, nil},
	{2, []access.Role{access.Admin}},
	{3, []access.Role{access.Read}},
	{4, []access.Role{access.Provision}},
	{5, []access.Role{access.OfVRF("qfile-one")}},
	{6, []access.Role{access.OfVRF("qmade-*")}},
	{7, []access.Role{access.Read, access.OfVRF("qmade-one")}},
	{8, []access.Role{access.Provision, access.OfVRF("qfile-two")}},
}

// roleWorld is a door with a ledger behind it, through which callers come.
type roleWorld struct {
	t      *testing.T
	door   *Door
	server *Server
	all    handlers
	ledger *ledger
}

func newRoleWorld(t *testing.T) *roleWorld {
	var policy access.Policy
	for _, c := range roleCallers {
		for _, r := range c.roles {
			policy.Entries = append(policy.Entries, access.Entry{Role: r, UIDs: []uint32{c.uid}})
		}
	}
	w := &roleWorld{t: t, door: NewDoor(access.DefaultLimits(), policy, nil, nil), ledger: newLedger(), all: make(handlers)}
	w.door.made = w.ledger.Made
	w.server = New(w.ledger)
	w.server.audit = w.door.audit
	w.server.register(w.all)
	return w
}

// call is one call over a connection of its own, through everything that the door has. The answer is
// the text of all messages of it.
func (w *roleWorld) call(uid uint32, method string, request []byte) (answer string, err error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	conn := newConnection(w.door, nil, access.Caller{Way: access.Socket, UID: uid})
	conn.streams[1], conn.last = new(stream), 1
	full := "/" + v1.Redistribution_ServiceDesc.ServiceName + "/" + method
	ctx, err = w.door.tap(grpcpeer.NewContext(ctx, &grpcpeer.Peer{AuthInfo: conn}), &tap.Info{FullMethodName: full})
	if err != nil {
		return "", err
	}
	defer func() {
		w.door.accounts.mu.Lock()
		defer w.door.accounts.mu.Unlock()
		conn.end(1)
	}()
	c := &heardCall{oneCall: oneCall{method: method, request: request, ctx: ctx, hangUp: cancel}}
	err = w.door.stream(nil, c, nil, func(_ any, s grpc.ServerStream) error { return w.all[full](s) })
	return c.heard.String(), err
}

// heardCall is a call whose answers are kept. Who watches hears one, and hangs up.
type heardCall struct {
	oneCall
	heard strings.Builder
}

// RecvMsg decodes as the gateway does.
func (c *heardCall) RecvMsg(m any) error {
	if c.read {
		return io.EOF
	}
	c.read = true
	return newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(c.request)}, m)
}

func (c *heardCall) SendMsg(m any) error {
	if p, is := m.(proto.Message); is {
		fmt.Fprintln(&c.heard, p)
	}
	return c.oneCall.SendMsg(m)
}

// mayChange is the model: what each role may change, in words of its own.
func mayChange(roles []access.Role, made bool, c change) bool {
	for _, r := range roles {
		covered := ""
		if rest, is := strings.CutPrefix(string(r), "vrf:"); is {
			covered = rest
		}
		matches, _ := path.Match(covered, c.vrf)
		switch {
		case r == access.Admin:
			return true
		case r == access.Provision && made:
			return true
		case covered != "" && matches && slices.Contains([]string{"run", "name", "description", "policies"}, c.field):
			return true
		}
	}
	return false
}

func maySee(roles []access.Role, made bool, name string) bool {
	return slices.Contains(roles, access.Admin) || slices.Contains(roles, access.Read) ||
		mayChange(roles, made, change{name, "run"})
}

// one makes a random call, and holds what came of it against the model.
func (w *roleWorld) one(random *rand.Rand) {
	w.t.Helper()
	caller := roleCallers[random.IntN(len(roleCallers))]
	target, method, request := w.randomCall(random)
	all := slices.Concat(roleFileVRFs, roleMadeVRFs)
	madeBefore := make(map[string]bool)
	for _, name := range all {
		_, exists := w.ledger.Get(name)
		madeBefore[name] = w.ledger.Made(name) || !exists // or it is made by the call
	}
	w.ledger.changed = nil
	answer, err := w.call(caller.uid, method, request)
	where := fmt.Sprintf("%v calls %s of %q", caller.roles, method, target)
	for _, c := range w.ledger.changed {
		if !mayChange(caller.roles, madeBefore[c.vrf], c) {
			w.t.Errorf("%s: %s of %s was changed", where, c.field, c.vrf)
		}
	}
	heard := answer + status.Convert(err).Message()
	for _, name := range all {
		if name != target && strings.Contains(heard, name) && !maySee(caller.roles, madeBefore[name], name) {
			w.t.Errorf("%s, and hears of %s: %s", where, name, heard)
		}
	}
	code := status.Code(err)
	switch {
	case len(caller.roles) == 0 && code != codes.PermissionDenied:
		w.t.Errorf("%s without a role: %v", where, err)
	case slices.Contains(caller.roles, access.Admin) && code == codes.PermissionDenied:
		w.t.Errorf("%s: %v", where, err)
	case code == codes.Internal || code == codes.Unknown || code == codes.ResourceExhausted:
		w.t.Errorf("%s: %v", where, err)
	case code == codes.PermissionDenied && (len(w.ledger.changed) > 0 || answer != ""):
		w.t.Errorf("%s is denied after %v, with the answer %q", where, w.ledger.changed, answer)
	}
}

// randomCall is any method with a request about a VRF, most often one that makes or removes one.
func (w *roleWorld) randomCall(random *rand.Rand) (target, method string, request []byte) {
	targets := slices.Concat(roleFileVRFs, roleMadeVRFs, roleMadeVRFs, []string{vrf.Default})
	target = targets[random.IntN(len(targets))]
	var m proto.Message
	switch random.IntN(4) {
	case 0:
		list := methods()
		method = list[random.IntN(len(list))]
		return target, method, aboutVRF(method, target)
	case 1:
		method, m = "DeleteVrf", &v1.DeleteVrfRequest{Vrf: target}
	default:
		spec := &v1.VrfSpec{Name: target}
		for _, set := range []func(){
			func() { spec.Rd = "1:1" },
			func() { spec.Label = 17 },
			func() { spec.Netns = "x" },
			func() { spec.Policies = []*v1.PolicySpec{{Name: target + "/x"}} },
			func() { spec.Trusted = proto.Bool(true) },
		} {
			if random.IntN(5) == 0 {
				set()
			}
		}
		r := &v1.ApplyVrfRequest{Vrf: spec, DryRun: random.IntN(8) == 0}
		if random.IntN(3) == 0 {
			r.Mask = &fieldmaskpb.FieldMask{Paths: []string{[]string{"rd", "policies", "label"}[random.IntN(3)]}}
		}
		method, m = "ApplyVrf", r
	}
	request, err := proto.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	return target, method, request
}

// aboutVRF is a request of a method about a VRF, or about everything.
func aboutVRF(method, name string) []byte {
	m := v1.File_api_v1_vrfredist_proto.Services().Get(0).Methods().ByName(protoreflect.Name(method))
	r := dynamicpb.NewMessage(m.Input())
	if f := m.Input().Fields().ByName("vrf"); f != nil && f.Message() == nil {
		r.Set(f, protoreflect.ValueOfString(name))
	}
	b, _ := proto.Marshal(r) // what has one string field can be written
	return b
}

// roleCallsEnv is how many random calls are made instead of a few.
const roleCallsEnv = "VRFREDIST_ROLE_CALLS"

// TestRandomCallsByRole: whatever callers of all roles call in whatever order, each changes and sees
// what its roles allow, and nothing else.
func TestRandomCallsByRole(t *testing.T) {
	calls := 20_000
	if s := os.Getenv(roleCallsEnv); s != "" {
		var err error
		if calls, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s=%q: write a number", roleCallsEnv, s)
		}
	}
	seed := uint64(time.Now().UnixNano())
	random, w := rand.New(rand.NewPCG(seed, 0)), newRoleWorld(t)
	w.server.audit.note(t.Context(), "/x/Reload", nil, nil) // or who watches the audit would wait
	for i := range calls {
		if w.one(random); t.Failed() {
			t.Fatalf("call %d of seed %d", i, seed)
		}
	}
}

// FuzzCallsByRole is TestRandomCallsByRole for calls that the fuzzer chooses.
func FuzzCallsByRole(f *testing.F) {
	f.Add(uint64(1), uint8(30))
	f.Fuzz(func(t *testing.T, seed uint64, calls uint8) {
		random, w := rand.New(rand.NewPCG(seed, 1)), newRoleWorld(t)
		w.server.audit.note(t.Context(), "/x/Reload", nil, nil)
		for range calls {
			w.one(random)
		}
	})
}
